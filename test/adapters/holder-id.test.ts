// What a database's freezer is told of the freeze it is for: its id, by which what it leaves at the server is named.
import { expect, it } from 'vitest';
import { scriptHome } from '../beds/script-home.ts';
import { limitOf } from '../contract/quiescer.ts';

it('S6 the id of the freeze reaches the code that freezes the database', async () => {
  const bed = await scriptHome('freeze-42');
  try {
    bed.fake();
    const quiescer = bed.one();
    await quiescer.freeze(limitOf(30_000));
    await quiescer.thaw();
    expect(bed.log()).toContain('it holds still for freeze freeze-42');
  } finally {
    bed.remove();
  }
});
