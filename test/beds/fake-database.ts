// A database for the tests of freeze scripts: a directory with a file `server` while it runs, and `frozen` while it is frozen. Run as a
// program it is rdfreeze for this one database.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from '../../src/base/errors.ts';
import type { DatabaseFreezer } from '../../src/ports/database.ts';

export const rightPassword = 'the right pass';

/** `mode`: `slow` never becomes frozen, `lost` has lost it when asked, `stuck` does not thaw while a file `stuck` is there. */
export const fakeFreezer: DatabaseFreezer = {
  name: 'fake',
  settings: { user: {}, password: { secret: true }, place: {}, mode: {} },
  present: async ({ place = '' }) => existsSync(join(place, 'server')),
  quiescer: ({ password, place = '', mode, user = '' }, tell, id) => {
    const frozen = join(place, 'frozen');
    return {
      name: 'fake',
      async freeze({ signal }) {
        if (!existsSync(join(place, 'server'))) throw failure('DATABASE_DOWN', { database: 'fake', address: place, detail: 'no server' });
        if (password !== rightPassword) throw failure('DATABASE_LOGIN', { database: 'fake', user, detail: 'wrong password' });
        writeFileSync(frozen, String(process.pid));
        tell(`it holds still for freeze ${id}`);
        if (mode === 'slow') {
          await new Promise<void>((resolve) => {
            const alive = setInterval(() => undefined, 1000);
            signal.addEventListener('abort', () => {
              clearInterval(alive);
              resolve();
            });
          });
          rmSync(frozen);
          throw failure('FREEZE_FAILED', { name: 'fake', detail: 'it was called off' });
        }
        return { position: '7' };
      },
      async held() {
        if (mode === 'lost') throw failure('FREEZE_LOST', { name: 'fake', detail: 'somebody killed its session' });
      },
      async thaw() {
        if (mode === 'stuck' && existsSync(join(place, 'stuck'))) {
          throw failure('FREEZE_THAW_FAILED', { name: 'fake', detail: 'it is stuck' });
        }
        rmSync(frozen, { force: true });
        return { end: '8' };
      },
    };
  },
};

if (import.meta.main) {
  const { serveDatabase } = await import('../../src/agent/holder.ts');
  process.exit(await serveDatabase(process.argv.slice(2), { fake: async () => fakeFreezer }));
}
