import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as libc from '../../../src/base/libc.ts';
import { namesIn, openDirectory } from '../../../src/base/libc-dir.ts';
import { applyMeta, applyMetaAt, createFile, type FileMeta } from '../../../src/base/libc-meta.ts';
import { statAt, statAtIfAny, statFd } from '../../../src/base/libc-stat.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from '../../../src/base/libc-xattr.ts';

const root = process.geteuid?.() === 0;
const top = mkdtempSync(join(tmpdir(), 'libc-'));
let dir: number;
beforeAll(() => {
  dir = openDirectory(libc.atCwd, top);
});
afterAll(() => {
  libc.close(dir);
  rmSync(top, { recursive: true, force: true });
});

const odd = Buffer.from([0xff, 0x20, 0x80]);
const meta: FileMeta = {
  uid: process.geteuid!(),
  gid: process.getegid!(),
  mode: 0o640,
  atime: { seconds: -1, nanos: 1 },
  mtime: { seconds: 2 ** 33, nanos: 999_999_999 },
  xattrs: [{ name: 'user.a', value: new Uint8Array([0, 255]) }],
};

describe('S3 system calls', () => {
  it('S3 statx says what stat says', () => {
    writeFileSync(join(top, 'file'), 'abc');
    for (const path of [join(top, 'file'), '/dev/null', '/', '/proc/self', top]) {
      const real = lstatSync(path, { bigint: true });
      const found = statAt(libc.atCwd, path);
      expect(BigInt(found.mode)).toBe(real.mode);
      expect([found.inode, found.device, found.rdev, found.links]).toEqual([real.ino, real.dev, real.rdev, real.nlink]);
      expect([found.uid, found.gid, found.size, found.blocks].map(BigInt)).toEqual([real.uid, real.gid, real.size, real.blocks]);
      expect(BigInt(found.mtime.seconds) * 10n ** 9n + BigInt(found.mtime.nanos)).toBe(real.mtimeNs);
    }
    expect(statAt(libc.atCwd, '/proc').mountRoot).toBe(true);
    expect(statAt(libc.atCwd, '/proc/self/task').mountRoot).toBe(false);
    expect(statAtIfAny(dir, 'absent')).toBeUndefined();
  });

  it('S3 errors carry the code that node:fs would give', () => {
    expect(() => statAt(dir, 'absent')).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'statx' }));
    expect(() => libc.openAt(dir, 'file', libc.open.directory)).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    expect(() => createFile(dir, 'file')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(() => libc.unlinkAt(dir, 'fi\0le')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => setXattr(join(top, 'file'), 'nonsense', Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
    expect(existsSync(join(top, 'file'))).toBe(true);
  });

  it('S3 entries are made, linked, renamed and removed relative to a directory, with raw names', () => {
    libc.mkdirAt(dir, odd, 0o700);
    expect(namesIn(dir, '.')).toContain(odd.toString('latin1'));
    const inner = openDirectory(dir, odd);
    libc.close(createFile(inner, 'one'));
    libc.linkAt(inner, 'one', dir, 'two');
    expect(statAt(dir, 'two').links).toBe(2n);
    libc.symlinkAt(odd, inner, 'link');
    expect(libc.readlinkAt(inner, 'link').equals(odd)).toBe(true);
    libc.renameAt(inner, 'link', dir, 'moved');
    libc.mknodAt(inner, 'fifo', 0o010600, 0n);
    expect(namesIn(dir, odd).sort()).toEqual(['fifo', 'one']);
    expect(() => libc.rmdirAt(dir, odd)).toThrow(expect.objectContaining({ code: 'ENOTEMPTY' }));
    for (const name of ['fifo', 'one']) libc.unlinkAt(inner, name);
    libc.close(inner);
    libc.rmdirAt(dir, odd);
    expect(() => openDirectory(dir, 'moved')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  });

  it('S3 ten thousand names of every length', () => {
    libc.mkdirAt(dir, 'many', 0o700);
    const names = Array.from({ length: 10_000 }, (_, i) => `${i}-`.padEnd((i % 250) + 6, 'x'));
    for (const name of names) writeFileSync(join(top, 'many', name), '');
    expect(namesIn(dir, 'many').sort()).toEqual(names.sort());
  });

  it('S3 attributes by path do not follow links; empty, binary and large values', () => {
    const path = join(top, 'attributed');
    writeFileSync(path, '');
    setXattr(path, 'user.empty', Buffer.alloc(0));
    setXattr(path, 'user.large', Buffer.alloc(2000, 7));
    const fd = openSync(path, 'r');
    setXattr(fd, 'user.fd', Buffer.from([0, 1]));
    expect([...listXattrs(fd)].sort()).toEqual(['user.empty', 'user.fd', 'user.large']);
    expect(getXattr(fd, 'user.large')?.equals(Buffer.alloc(2000, 7))).toBe(true);
    removeXattr(fd, 'user.fd');
    removeXattr(fd, 'user.fd');
    closeSync(fd);
    expect(getXattr(path, 'user.fd')).toBeUndefined();
    expect(getXattr(path, 'user.empty')?.length).toBe(0);
    libc.symlinkAt('attributed', dir, 'to-attributed');
    expect(listXattrs(join(top, 'to-attributed'))).toEqual([]);
  });

  it('S3 holes are found and made', () => {
    const fd = openSync(join(top, 'holes'), 'w+');
    writeSync(fd, Buffer.alloc(64 * 1024, 1), 0, 64 * 1024, 1 << 20);
    writeSync(fd, Buffer.alloc(64 * 1024, 1), 0, 64 * 1024, 2 << 20);
    expect(libc.nextData(fd, 0)).toEqual({ start: 1 << 20, end: (1 << 20) + 64 * 1024 });
    libc.punchHole(fd, 2 << 20, 64 * 1024);
    expect(libc.nextData(fd, 1_500_000)).toBeUndefined();
    expect(fstatSync(fd).size).toBe((2 << 20) + 64 * 1024);
    closeSync(fd);
  });

  it('S3 metadata: attributes before a mode that forbids writing, times last and to the nanosecond', () => {
    const fd = createFile(dir, 'meta');
    setXattr(fd, 'user.stale', Buffer.from('x'));
    expect(applyMeta(fd, { ...meta, mode: 0o4440 })).toEqual([]);
    const found = statFd(fd);
    expect(found).toMatchObject({ mode: 0o104440, mtime: meta.mtime, atime: meta.atime });
    expect(listXattrs(fd)).toEqual(['user.a']);
    libc.close(fd);
  });

  it('S3 metadata of links and fifos, without following', () => {
    writeFileSync(join(top, 'pointed'), '');
    const before = statSync(join(top, 'pointed'));
    libc.symlinkAt('pointed', dir, 'pointer');
    libc.mknodAt(dir, 'pipe', 0o010600, 0n);
    expect(applyMetaAt(dir, 'pointer', { ...meta, xattrs: [] })).toEqual([]);
    expect(applyMetaAt(dir, 'pipe', { ...meta, xattrs: [] })).toEqual([]);
    expect(statAt(dir, 'pointer').mtime).toEqual(meta.mtime);
    expect(statAt(dir, 'pipe')).toMatchObject({ mode: 0o010640, mtime: meta.mtime });
    expect(statSync(join(top, 'pointed'))).toMatchObject({ mode: before.mode, mtimeMs: before.mtimeMs });
  });

  it.runIf(root)('S3 a file that cannot be given away loses setuid and says so only to root', async () => {
    const script = join(top, 'as-nobody.ts');
    const home = join(import.meta.dirname, '../../../src/base');
    writeFileSync(
      script,
      `const { applyMeta } = await import(${JSON.stringify(join(home, 'libc-meta.ts'))});
       const { openSync, fstatSync } = await import('node:fs');
       const fd = openSync(${JSON.stringify(join(top, 'nobodys'))}, 'r+');
       process.setgroups([]); process.setgid(65534); process.setuid(65534);
       const warnings = applyMeta(fd, { uid: 0, gid: 0, mode: 0o6755, atime: { seconds: 1, nanos: 0 }, mtime: { seconds: 1, nanos: 0 }, xattrs: [] });
       console.log(JSON.stringify({ warnings, mode: fstatSync(fd).mode }));`,
    );
    writeFileSync(join(top, 'nobodys'), '');
    execFileSync('chown', ['65534:65534', join(top, 'nobodys')]);
    const out = execFileSync(process.execPath, [script], { encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual({ warnings: [], mode: 0o100755 });
  });

  it('S3 names of users and groups', () => {
    expect(libc.userName(process.getuid!())).toBe(userInfo().username);
    expect(libc.userName(0)).toBe('root');
    expect(libc.groupName(0)).toBe('root');
    expect(libc.userName(3_999_999_999)).toBe('');
    const groups = readFileSync('/etc/group', 'utf8').trim().split('\n');
    for (const line of groups) {
      const [name, , gid] = line.split(':');
      expect(libc.groupName(Number(gid))).toBe(name);
    }
  });

  it('S3 the same in worker threads, closing without a warning', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../../src/base/libc.ts'));
    const code = `import(${module}).then((libc) => {
      const warnings = [];
      process.on('warning', (warning) => warnings.push(warning.message));
      const fd = libc.openAt(libc.atCwd, '/', libc.open.directory);
      libc.close(fd);
      setTimeout(() => require('node:worker_threads').parentPort.postMessage({ user: libc.userName(0), warnings }), 10);
    })`;
    const workers = Array.from({ length: 3 }, () => new Worker(code, { eval: true }));
    const answers = await Promise.all(
      workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))),
    );
    expect(answers).toEqual(Array.from({ length: 3 }, () => ({ user: 'root', warnings: [] })));
  });

  it('S3 importing loads no library', () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../../src/base/libc-meta.ts'));
    const code = `await import(${module}); console.log(Object.keys(process.report.getReport().sharedObjects.filter((o) => o.includes('koffi'))).length);`;
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }).trim()).toBe('0');
  });
});
