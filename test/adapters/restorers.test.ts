// The three restorers under the law of their port, with real backups.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { SourceSettings } from '../../src/model/plan.ts';
import { commandRestorer } from '../../src/sources/command/restorer.ts';
import { diskRestorer } from '../../src/sources/disk/restorer.ts';
import type { FilesTarget } from '../../src/sources/files/request.ts';
import { filesRestorer } from '../../src/sources/files/restorer.ts';
import { filesOf, intoFolder } from '../beds/vault.ts';
import { noise } from '../beds/vaults.ts';
import { restorerContract } from '../contract/restorer.ts';

const mib = 1 << 20;
const pathOf = (source: SourceSettings): string => ('paths' in source ? source.paths[0]! : '');
const marker = '.stillpoint-restore-incomplete';

describe('B8 the three restorers', () => {
  restorerContract('files', () => {
    const files = (area: string, include: readonly string[] = []) => filesRestorer(intoFolder(area, { include }) as FilesTarget, []);
    return {
      source(folder) {
        mkdirSync(join(folder, 'below'));
        for (let i = 0; i < 60; i++) writeFileSync(join(folder, i % 2 ? 'below' : '.', `file-${i}`), noise(`file ${i}`, 300_000));
        return filesOf(folder);
      },
      restorer: (area) => files(area),
      refusing(area) {
        writeFileSync(join(area, 'there'), 'already');
        return { restorer: files(area, ['/no/such/path']) };
      },
      expectWhole: (area, source) => execFileSync('diff', ['-r', pathOf(source), join(area, pathOf(source))]),
      isMarked: (area) => existsSync(join(area, marker)),
    };
  });

  restorerContract('disk', () => ({
    source(folder) {
      const path = join(folder, 'disk.img');
      writeFileSync(path, noise('disk', 24 * mib));
      return { kind: 'disk', paths: [path] };
    },
    restorer: (area, source) => diskRestorer({ kind: 'disk', map: { [pathOf(source)]: join(area, 'new.img') }, verify: true }),
    refusing(area, source) {
      const small = join(area, 'small.img');
      writeFileSync(small, '');
      truncateSync(small, 20 * mib);
      return { restorer: diskRestorer({ kind: 'disk', map: { [pathOf(source)]: small }, verify: false }) };
    },
    expectWhole: (area, source) => execFileSync('cmp', [pathOf(source), join(area, 'new.img')]),
    isMarked: (area) => readdirSync(area).some((name) => name.endsWith(marker)),
  }));

  // What a load command leaves behind is its own affair: this one takes for whole what has all its bytes.
  restorerContract('command', () => {
    const dump = noise('dump', 24 * mib);
    const load = (area: string) => {
      const shell = `cat > "$0/part" && test "$(stat -c %s "$0/part")" = ${dump.length} && mv "$0/part" "$0/whole"`;
      return commandRestorer({ kind: 'command', argv: ['bash', '-c', shell, area] });
    };
    return {
      source(folder) {
        writeFileSync(join(folder, 'dump'), dump);
        return { kind: 'command', argv: ['cat', join(folder, 'dump')], fileName: 'dump', minBytes: 0 };
      },
      restorer: (area) => load(area),
      refusing(area) {
        writeFileSync(join(area, 'whole'), 'of an earlier day');
        return { restorer: load(area), other: filesOf(area) };
      },
      expectWhole: (area) => expect(readFileSync(join(area, 'whole')).equals(dump)).toBe(true),
      isMarked: (area) => existsSync(join(area, 'part')) || !existsSync(join(area, 'whole')),
    };
  });
});
