// Dirty data goes to the disk before users have to wait for it. Needs root.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeOut } from '../../src/snapshots/write-out.ts';
import { btrfsBed } from '../beds/btrfs-bed.ts';

const { at } = btrfsBed();

/** Of the last commit; what is in memory only is in none. */
const generation = () =>
  Number(/^\s*Generation:\s+(\d+)/m.exec(execFileSync('btrfs', ['subvolume', 'show', at()], { encoding: 'utf8' }))![1]);

describe('before a freeze', () => {
  it('A3 what is in memory only is written to the disk, of the file system that was named', async () => {
    mkdirSync(at('dir with space'));
    await writeOut([at()]);
    const before = generation();
    writeFileSync(at('dir with space/file'), Buffer.alloc(4 << 20, 1));
    await writeOut([at('dir with space')]);
    expect(generation()).toBeGreaterThan(before);
  });

  it('A3 each path is asked for once, and trouble with one holds up neither the others nor the backup', async () => {
    const calls: string[] = [];
    await writeOut(['/a', '/-b', '/a', '/c'], async (program, args) => {
      calls.push([program, ...args].join(' '));
      throw new Error('sync: hangs');
    });
    expect(calls).toEqual(['/a', '/-b', '/c'].map((path) => `sync --file-system -- ${path}`));
    await writeOut([at('absent')]);
  });
});
