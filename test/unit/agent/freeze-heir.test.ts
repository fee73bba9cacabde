import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const module = new URL('../../../src/agent/freeze-heir.ts', import.meta.url).href;

let place: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'heir-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(place, { recursive: true, force: true });
});

/** A process with an heir whose limit is over at once, and what it does from then on. */
function freezer(name: string, then: string): { readonly child: ChildProcess; rescued(): boolean } {
  const mark = join(place, name);
  const source = `import { appointHeir } from ${JSON.stringify(module)};
    const heir = appointHeir(100, ['touch', ${JSON.stringify(mark)}]);
    ${then}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'ignore' });
  children.push(child);
  return { child, rescued: () => existsSync(mark) };
}

it('A3 an rdfreeze that gives no sign of life after its limit is killed and rescued from; one that is at it is let do', async () => {
  const stuck = freezer('stuck', 'for (;;);');
  const busy = freezer('busy', 'setTimeout(() => heir.dismiss(), 12_000);');
  await expect.poll(() => stuck.child.signalCode, { timeout: 20_000 }).toBe('SIGKILL');
  await expect.poll(stuck.rescued, { timeout: 10_000 }).toBe(true);
  await expect.poll(() => busy.child.exitCode, { timeout: 20_000 }).toBe(0);
  expect(busy.rescued()).toBe(false);
}, 60_000);
