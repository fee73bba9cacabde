// Percona's xtrabackup is not in Debian: its stream and its words are replayed by a fake of its name. What MySQL itself does with the files is
// not tested here.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settingsOf } from '../../src/databases/mysql/physical/access.ts';
import { copySource } from '../../src/databases/mysql/physical/copy.ts';
import { toolFor } from '../../src/databases/mysql/physical/tool.ts';
import type { Chunking } from '../../src/ports/blob.ts';
import type { Entry, Stored } from '../../src/ports/source.ts';

const path = process.env['PATH'];
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mt-'));
  mkdirSync(join(home, 'bin'));
  process.env['PATH'] = `${join(home, 'bin')}:${path}`;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(home, { recursive: true, force: true });
});

const number = (bytes: 4 | 8, value: number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.subarray(0, bytes);
};
const head = (kind: string, name: string) => [Buffer.from('XBSTCK01\0'), Buffer.from(kind), number(4, name.length), Buffer.from(name)];

/** One file of a stream; `holes`: sent as MySQL's pages that were punched are. */
function fileOf(name: string, data: string, holes?: readonly (readonly [number, number])[]): Buffer {
  const map = Buffer.concat((holes ?? []).flatMap(([skip, length]) => [number(4, skip), number(4, length)]));
  const sizes = [number(8, data.length), number(8, 0), number(4, crc32(data, crc32(map)))];
  const piece = holes ? [...head('S', name), number(4, holes.length), ...sizes, map] : [...head('P', name), ...sizes];
  return Buffer.concat([...piece, Buffer.from(data), ...head('E', name)]);
}

function fakeXtrabackup(stream: Buffer): void {
  writeFileSync(join(home, 'stream'), stream);
  const lines = [
    '#!/bin/bash',
    'if [[ $* = *--version* ]]; then echo "xtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 6beb4b49)" >&2; exit; fi',
    `printf '%s\\n' "$@" > ${home}/arguments; cp "\${1#--defaults-file=}" ${home}/options; stat -c %a "\${1#--defaults-file=}" > ${home}/mode`,
    `cat ${home}/stream`,
    'echo "2026-11-21T19:08:46.213301-00:00 0 [Note] [MY-011825] [Xtrabackup] completed OK!" >&2',
  ];
  writeFileSync(join(home, 'bin/xtrabackup'), `${lines.join('\n')}\n`);
  chmodSync(join(home, 'bin/xtrabackup'), 0o755);
}

async function backup(): Promise<{
  readonly files: Record<string, string>;
  readonly cuts: Record<string, Chunking>;
  readonly tags: unknown;
}> {
  const server = { kind: 'MySQL', version: '8.0.36', binaryLog: true } as const;
  const tool = await toolFor(server);
  const facts = { ...server, settings: { innodb_page_size: '16384' } };
  const looked = {
    server: { ...server, syncBinlog: 1, flushAtCommit: 1, cluster: '', rights: new Set<string>() },
    tool,
    identity: 'uuid',
    facts,
  };
  const settings = settingsOf({ socket: '/run/x.sock', user: 'b', password: 'p"w\\d#1' });
  const source = copySource(looked, settings, { warn: () => undefined, signal: new AbortController().signal, scratch: () => home });
  const texts = new Map<Stored, { readonly text: string; readonly cut: Chunking }>();
  await source.gather!(async (stream, cut) => {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(Buffer.from(part));
    const stored: Stored = { kind: 'stored', content: [], size: Buffer.concat(parts).length };
    texts.set(stored, { text: Buffer.concat(parts).toString('latin1'), cut });
    return stored;
  });
  const files: Record<string, string> = {};
  const cuts: Record<string, Chunking> = {};
  const walk = async (entries: AsyncIterable<Entry>, above: string) => {
    for await (const entry of entries) {
      const name = `${above}/${entry.meta.name}`;
      if (entry.kind === 'dir') await walk(entry.list(), name);
      if (entry.kind !== 'file' || entry.content.kind !== 'stored') continue;
      files[name] = texts.get(entry.content)!.text;
      cuts[name] = texts.get(entry.content)!.cut;
    }
  };
  await walk(source.list(), '');
  await source.finish();
  const tags = source.tags!();
  await source.close();
  return { files, cuts, tags };
}

describe('S5 physical backups of MySQL with xtrabackup', () => {
  test('S5 its stream becomes the tree, with holes; its set of transactions over several lines is read', async () => {
    const gtid = '24b2a1a8-4d5c-11ee-be56-0242ac120002:1-77,\n3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';
    fakeXtrabackup(
      Buffer.concat([
        fileOf('ibdata1', 'system'),
        fileOf('app/t.ibd', 'abcd', [
          [0, 1],
          [3, 3],
        ]),
        fileOf('xtrabackup_logfile', 'redo'),
        fileOf('xtrabackup_binlog_info', `binlog.000007\t4711\t${gtid}\n`),
      ]),
    );
    const { files, cuts, tags } = await backup();
    expect(files).toMatchObject({
      '/mysql/data/ibdata1': 'system',
      '/mysql/data/app/t.ibd': 'a\0\0\0bcd',
      '/mysql/data/xtrabackup_logfile': 'redo',
    });
    expect(cuts['/mysql/data/app/t.ibd']).toEqual({ kind: 'fixed', size: 65_536 });
    expect(tags).toMatchObject({
      consistency: 'application',
      logUntil: { place: 'binlog.000007:4711', gtid: gtid.replace('\n', ''), server: 'uuid' },
    });
    expect(readFileSync(join(home, 'arguments'), 'utf8').split('\n').slice(1, 3)).toEqual(['--backup', '--stream=xbstream']);
    expect(readFileSync(join(home, 'arguments'), 'utf8')).not.toContain('p"w');
    expect(readFileSync(join(home, 'options'), 'utf8')).toContain('password = "p\\"w\\\\d#1"');
    expect(readFileSync(join(home, 'mode'), 'utf8').trim()).toBe('600');
    expect(existsSync(/--defaults-file=(.*)/.exec(readFileSync(join(home, 'arguments'), 'utf8'))![1]!)).toBe(false);
  });

  test('S5 for a server of another series it is refused, with the package that fits', async () => {
    fakeXtrabackup(Buffer.alloc(0));
    await expect(toolFor({ kind: 'MySQL', version: '8.4.2' })).rejects.toMatchObject({
      code: 'TOOL_VERSION',
      hint: expect.stringContaining('percona-xtrabackup-84'),
    });
  });
});
