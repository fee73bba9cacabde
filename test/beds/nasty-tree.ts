// A directory with everything that file systems can hold and backups get wrong.
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, ftruncateSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { needPrograms, run } from './programs.ts';

export const isRoot = process.geteuid?.() === 0;

/** Builds the tree at `top`, which must not exist. Device nodes, foreign owners, trusted attributes and capabilities only as root. */
export function buildNastyTree(top: string): void {
  needPrograms(['setfacl', 'setfattr', 'mknod', 'touch'], 'acl attr');
  const at = (...parts: string[]) => join(top, ...parts);
  mkdirSync(at(), { recursive: true });
  writeFileSync(at('empty'), '');
  writeFileSync(at('small'), 'a few bytes\n');
  writeFileSync(at('large'), Buffer.alloc(3_000_001, 'stillpoint'));
  writeFileSync(at('line\nbreak " \\ name'), 'x');
  writeFileSync(at('ünï ☃'), 'utf-8');
  writeFileSync(Buffer.concat([Buffer.from(at()), Buffer.from([0x2f, 0xff, 0xfe, 0x41])]), 'a name that is not UTF-8');
  writeFileSync(at('n'.repeat(255)), 'the longest name');
  mkdirSync(at('empty-dir'));
  mkdirSync(at(...Array.from({ length: 60 }, (_, level) => `level-${level}`)), { recursive: true });
  writeFileSync(at(...Array.from({ length: 60 }, (_, level) => `level-${level}`), 'deep'), 'deep down');
  mkdirSync(at('A'));
  writeFileSync(at('A', 'x'), 'below A');
  writeFileSync(at('A.txt'), 'sorts before A/ as a path, after it as a name');

  sparse(at('sparse'), 20 << 20, 7 << 20, 'island');
  sparse(at('hole-only'), 5 << 20);

  writeFileSync(at('linked-1'), 'three names');
  linkSync(at('linked-1'), at('empty-dir-link'));
  mkdirSync(at('other'));
  linkSync(at('linked-1'), at('other', 'linked-3'));

  symlinkSync('small', at('link'));
  symlinkSync('/nowhere/at/all', at('link-broken'));
  symlinkSync('/etc', at('link-absolute'));
  symlinkSync('..', at('other', 'link-up'));
  execFileSync('mkfifo', [at('fifo')]);

  writeFileSync(at('read-only'), 'mode 0444');
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', at('read-only')]);
  execFileSync('setfattr', ['-n', 'user.binary', '-v', '0x00ff00ff', at('small')]);
  execFileSync('setfattr', ['-n', 'user.empty', at('small')]);
  execFileSync('setfattr', ['-n', 'user.dir', '-v', 'on a directory', at('empty-dir')]);
  execFileSync('setfacl', ['-m', 'u:1234:r-x,g:4321:rw-', at('A.txt')]);
  execFileSync('setfacl', ['-m', 'u:1234:rwx', '-m', 'd:u:1234:rwx,d:g::---', at('A')]);
  if (isRoot) privileged(at);

  chmodSync(at('read-only'), 0o444);
  chmodSync(at('other'), 0o1777);
  touch(at('small'), '1969-12-31 23:59:58.123456789');
  touch(at('large'), '2001-09-09 01:46:40.000000001');
  touch(at('link'), '2010-01-02 03:04:05.999999999');
  touch(at('fifo'), '2011-01-02 03:04:05.5');
  touch(at('empty-dir'), '2200-01-01 00:00:00.25');
  touch(at('A'), '1999-12-31 23:59:59.999999999');
  touch(at(), '2005-05-05 05:05:05.050505050');
}

function privileged(at: (...parts: string[]) => string): void {
  execFileSync('mknod', [at('null'), 'c', '1', '3']);
  execFileSync('mknod', [at('disk'), 'b', '259', '70000']);
  writeFileSync(at('setuid'), '#!/bin/true\n');
  execFileSync('chown', ['1234:4321', at('setuid')]);
  chmodSync(at('setuid'), 0o6755);
  execFileSync('chown', ['-h', '1234:4321', at('link')]);
  writeFileSync(at('capable'), '');
  execFileSync('chown', ['77:88', at('capable')]);
  execFileSync('setfattr', ['-n', 'security.capability', '-v', '0x0100000200040000000000000000000000000000', at('capable')]);
  execFileSync('setfattr', ['-h', '-n', 'trusted.link', '-v', 'on a link', at('link')]);
}

/** A file of `size` bytes without data but `text` at `offset`. */
function sparse(path: string, size: number, offset = 0, text = ''): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  if (text !== '') writeSync(fd, text, offset);
  closeSync(fd);
}

function touch(path: string, time: string): void {
  execFileSync('touch', ['-h', '-d', `${time} UTC`, path], { env: { ...process.env, TZ: 'UTC' } });
}

/** What rsync would change to make `to` equal to `from`: content, owner, mode, times to the nanosecond, links, devices, attributes, ACLs. */
export function rsyncDifferences(from: string, to: string): Promise<string> {
  needPrograms(['rsync'], 'rsync');
  const flags = ['-aHAX', '--numeric-ids', '--checksum', '--modify-window=-1', '--dry-run', '--itemize-changes', '--delete'];
  return run('rsync', [...flags, `${from}/`, `${to}/`]);
}

/** All extended attributes (with ACLs) and readable ACLs below `top`, as text. */
export async function attributesOf(top: string): Promise<string> {
  needPrograms(['getfattr', 'getfacl'], 'acl attr');
  const attributes = await run('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: top });
  return `${attributes}\n${await run('getfacl', ['-R', '-P', '-n', '.'], { cwd: top })}`;
}
