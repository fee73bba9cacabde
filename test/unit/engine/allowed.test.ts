// What a task may do with more rights than the agent's own: every type of task, and every trick to get beyond what root has named.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/config/approvals.ts';
import { allowed, assertNoMore } from '../../../src/engine/allowed.ts';
import { type Allowance, type Grant, nothingAllowed } from '../../../src/model/allowance.ts';
import type { RestoreTarget, TaskSpec, TaskType, VaultAccess } from '../../../src/model/task.ts';

const nobody = 65534;
const owner = process.getuid?.() ?? 0;
const vault = { pool: { place: { type: 'local', path: '/pool' }, bandwidth: 0 }, path: 'v/a', password: 'p' } as unknown as VaultAccess;
const record = 'ab'.repeat(32);

let top: string;
let root: string;
let list: Allowance;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'allowed-'));
  root = join(top, 'restored');
  mkdirSync(root, { mode: 0o700 });
  mkdirSync(join(top, 'outside'), { mode: 0o700 });
  list = {
    restoreRoots: [{ path: root }],
    commands: { dump: { argv: ['/usr/bin/dump', '-x'], user: 'postgres' }, load: { shell: 'psql app', user: 'postgres' } },
  };
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const judge = (spec: unknown, allowance = list, take: (digest: string) => boolean = () => false): Grant =>
  allowed(spec as TaskSpec, allowance, { task: 'task-7', take }, owner);

function refusal(spec: unknown, allowance = list) {
  try {
    judge(spec, allowance);
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

const files = (path: string, more: object = {}): RestoreTarget =>
  ({ kind: 'files', path, include: [], overwrite: 'always', delete: false, verify: false, ...more }) as RestoreTarget;
const disk = (...places: readonly string[]): RestoreTarget => ({
  kind: 'disk',
  map: Object.fromEntries(places.map((place, i) => [`/dev/vd${i}`, place])),
  verify: false,
});
const restore = (target: object, dryRun: unknown = false) => ({ type: 'restore', vault, record, target, dryRun });
const backup = (source: object) => ({ type: 'backup', vault, source, tags: {}, full: false });
const needsApproval = { code: 'APPROVAL_NEEDED', hint: expect.stringContaining('agentcli task approve task-7') };
const notAllowed = { code: 'NOT_ALLOWED', hint: expect.stringContaining('/etc/stillpoint/allow.yaml') };

/** No link is followed to where root allowed it. */
const plain = <T extends object>(target: T) => ({ ...target, plain: true });

describe('tasks that only read, or work in their vault', () => {
  it('B8 get no rights that the agent has not', () => {
    const types: readonly TaskType[] = [
      ...(['probe', 'vault-create', 'vault-attach', 'vault-scan', 'vault-unlock', 'vault-delete', 'keys', 'check'] as const),
      ...(['prune', 'forget', 'ls', 'find', 'diff', 'cat'] as const),
    ];
    for (const type of types) expect(judge({ type, vault }, nothingAllowed), type).toEqual({ rights: 'own', spec: { type, vault } });
  });

  it('B8 read files and disks with the right to read, whatever the list says', () => {
    for (const source of [
      { kind: 'files', paths: ['/etc/shadow'] },
      { kind: 'disk', paths: ['/dev/vda'] },
    ])
      expect(judge(backup(source), nothingAllowed)).toEqual({ rights: 'read', spec: backup(source) });
  });

  it('B8 are refused when nobody knows what they are', () => {
    const unknown = [
      { type: 'format', vault },
      { type: ['restore'], record, target: files('/'), vault },
      { vault },
      backup({ kind: ['command'], argv: ['/bin/sh'] }),
      backup({ kind: 'socket' }),
      restore({ kind: ['files'], path: '/' }),
      restore({ kind: 'socket' }, true),
    ];
    for (const spec of unknown) expect(refusal(spec), JSON.stringify(spec)).toMatchObject({ code: 'NOT_ALLOWED' });
  });

  it('B8 are not done by a process that has more rights than they may have', () => {
    const own = judge({ type: 'check', vault });
    const read = judge(backup({ kind: 'files', paths: [] }));
    const asRoot = judge(restore(files(root)));
    expect(() => assertNoMore('own', own)).not.toThrow();
    expect(() => assertNoMore('own', asRoot)).not.toThrow();
    expect(() => assertNoMore('read', read)).not.toThrow();
    expect(() => assertNoMore('root', asRoot)).not.toThrow();
    for (const [held, grant] of [
      ['read', own],
      ['root', own],
      ['root', read],
    ] as const)
      expect(() => assertNoMore(held, grant)).toThrow(`may have the rights "${grant.rights}"`);
  });
});

describe('commands', () => {
  const output = { fileName: 'a.sql', minBytes: 1 };
  const dump = (choice: object) => backup({ kind: 'command', ...output, ...choice });
  const load = (choice: object) => restore({ kind: 'command', ...choice });

  it('S10 of the task itself run with the rights of the agent, and only if it says so', () => {
    for (const line of [{ argv: ['pg_dump'] }, { shell: 'pg_dump | gzip' }]) {
      expect(judge(dump({ ...line, rights: 'own' }))).toEqual({ rights: 'own', spec: dump(line) });
      expect(judge(load({ ...line, rights: 'own' }))).toEqual({ rights: 'own', spec: load(line) });
      for (const rights of [undefined, 'root', true, ['own']]) {
        expect(refusal(dump({ ...line, rights }))).toMatchObject(notAllowed);
        expect(refusal(load({ ...line, rights }))).toMatchObject(notAllowed);
      }
    }
  });

  it('S10 that root has named run as their user, with the words that root wrote', () => {
    const as = { rights: 'root', user: 'postgres' };
    expect(judge(dump({ named: 'dump', expectTail: 'x$' }))).toEqual({
      ...as,
      spec: dump({ argv: ['/usr/bin/dump', '-x'], user: 'postgres', expectTail: 'x$' }),
    });
    expect(judge(load({ named: 'load' }))).toEqual({ ...as, spec: load({ shell: 'psql app', user: 'postgres' }) });
  });

  it('S10 that root has not named are refused, by whatever name', () => {
    for (const named of ['other', 'Dump', 'dump ', '', 'constructor', '__proto__', 'toString', ['dump'], null]) {
      expect(refusal(dump({ named })), String(named)).toMatchObject(notAllowed);
      expect(refusal(load({ named })), String(named)).toMatchObject(notAllowed);
    }
    expect(refusal(dump({ named: 'dump' }), nothingAllowed)).toMatchObject(notAllowed);
  });

  it('S10 that root has named take no words from the task', () => {
    for (const more of [{ argv: ['/bin/sh'] }, { shell: 'sh' }, { argv: [], rights: 'own' }]) {
      expect(refusal(dump({ named: 'dump', ...more }))).toMatchObject(notAllowed);
      expect(refusal(load({ named: 'load', ...more }))).toMatchObject(notAllowed);
    }
  });

  it('S10 tell nothing of their arguments in a refusal', () => {
    const error = refusal(load({ argv: ['psql', '--password=canary'] })) as Error & { hint: string };
    expect(`${error.message} ${error.hint}`).not.toContain('canary');
  });

  it('S10 may be rehearsed, which runs nothing', () => {
    expect(judge(restore({ kind: 'command', shell: 'psql' }, true)).rights).toBe('own');
    expect(judge(restore({ kind: 'command', named: 'load' }, true))).toMatchObject({ rights: 'own', spec: { dryRun: true } });
    expect(refusal(restore({ kind: 'command', named: 'other' }, true))).toMatchObject(notAllowed);
  });
});

describe('restores of files', () => {
  it('B8 below a restore root run as root, or as the user that is named for it', () => {
    for (const path of [root, join(root, 'a'), join(root, 'a', 'b', 'c')])
      expect(judge(restore(files(path)))).toEqual({ rights: 'root', spec: restore(plain(files(path))) });
    const ofUser = { ...list, restoreRoots: [{ path: root, user: 'postgres' }] };
    expect(judge(restore(files(join(root, 'a'))), ofUser)).toMatchObject({ rights: 'root', user: 'postgres' });
  });

  it('B8 take the user of the inner of two roots', () => {
    mkdirSync(join(root, 'pg'));
    const both = { ...list, restoreRoots: [{ path: root }, { path: join(root, 'pg'), user: 'postgres' }] };
    expect(judge(restore(files(join(root, 'pg', 'a'))), both).user).toBe('postgres');
    expect(judge(restore(files(join(root, 'pgx'))), both).user).toBeUndefined();
  });

  it('B8 in place, and anywhere else, need an approval', () => {
    const paths = ['/', '/etc', top, join(top, 'outside'), `${root}-not`, `${root}2/x`, root.toUpperCase(), join(top, 'Restored', 'x')];
    for (const path of paths) expect(refusal(restore(files(path))), path).toMatchObject(needsApproval);
    expect(refusal(restore(files(root)), nothingAllowed)).toMatchObject(needsApproval);
    expect((refusal(restore(files('/'))) as Error).message).toContain('to restore where it came from root has to approve it');
  });

  it('B8 are judged by where their path leads: dots, slashes', () => {
    for (const path of [
      `${root}/../outside/x`,
      `${root}/../../../etc`,
      `${root}/a/../..`,
      `${root}/../restored-not/`,
      '//',
      '/./',
      `${root}/..`,
    ])
      expect(refusal(restore(files(path))), path).toMatchObject(needsApproval);
    for (const path of [`${root}/`, `${root}//a/`, `${root}/./a`, `${top}/outside/../restored/a`]) {
      const { spec } = judge(restore(files(path)));
      expect(spec, path).toMatchObject({ target: { path: expect.stringMatching(new RegExp(`^${root}(/a)?$`)) } });
    }
  });

  it('B8 are judged by where their path leads: symbolic links', () => {
    symlinkSync(join(top, 'outside'), join(root, 'out'));
    symlinkSync('/', join(root, 'everything'));
    symlinkSync('..', join(root, 'up'));
    for (const path of ['out', 'out/new/x', 'everything', 'everything/etc', 'up', 'up/outside'])
      expect(refusal(restore(files(join(root, path)))), path).toMatchObject(needsApproval);
    // What is run is the path that was judged: a link that is laid afterwards is not on it.
    symlinkSync(root, join(top, 'in'));
    expect(judge(restore(files(join(top, 'in', 'x')))).spec).toMatchObject({ target: { path: join(root, 'x') } });
  });

  it('B8 are refused where a link leads nowhere, for nobody knows what it will lead to', () => {
    symlinkSync(join(top, 'not yet'), join(root, 'later'));
    symlinkSync('loop', join(root, 'loop'));
    for (const path of ['later', 'later/x', 'loop', 'loop/x'])
      expect(refusal(restore(files(join(root, path)))), path).toMatchObject({ code: 'TARGET_FAILED' });
  });

  it('B8 are refused with a path that is none', () => {
    for (const path of ['', 'srv', `${root}\0/x`, 7, null, ['/']])
      expect(refusal(restore(files(path as string))), String(path)).toMatchObject({ code: 'TARGET_FAILED' });
  });

  it('B8 go through a root that is itself a link of root', () => {
    symlinkSync('restored', join(top, 'link'));
    const linked = { ...list, restoreRoots: [{ path: join(top, 'link') }] };
    expect(judge(restore(files(join(top, 'link', 'a'))), linked).spec).toMatchObject({ target: { path: join(root, 'a') } });
    expect(judge(restore(files(join(root, 'a'))), linked).rights).toBe('root');
  });

  it('B8 are not helped by a root that is everything, or that leads there, or that is not there', () => {
    symlinkSync('/', join(top, 'slash'));
    for (const path of ['/', join(top, 'slash'), join(top, 'missing')]) {
      for (const root of [{ path }, { path, user: 'nobody' }])
        for (const target of ['/', '/etc', join(top, 'outside')])
          expect(refusal(restore(files(target)), { ...list, restoreRoots: [root] }), `${path} ${target}`).toMatchObject(needsApproval);
    }
    const missing = { ...list, restoreRoots: [{ path: join(top, 'missing') }] };
    expect((refusal(restore(files(join(top, 'missing', 'x'))), missing) as Error).message).toContain('is no directory');
  });

  it('B8 as root go only where nobody else may come near what is restored', () => {
    const reason = () => (refusal(restore(files(join(root, 'a')))) as Error).message;
    for (const mode of [0o755, 0o710, 0o701, 0o750]) {
      chmodSync(root, mode);
      expect(reason()).toContain(`may be entered by others (mode ${mode.toString(8)}): chmod 700 it, or name a user`);
    }
    chmodSync(root, 0o700);
    chownSync(root, nobody, nobody);
    expect(reason()).toContain('owned by uid 65534');
    chownSync(root, owner, owner);
    chownSync(top, nobody, nobody);
    expect(reason()).toContain('owned by uid 65534');
    const ofUser = { ...list, restoreRoots: [{ path: root, user: 'nobody' }] };
    expect(judge(restore(files(join(root, 'a'))), ofUser).user).toBe('nobody');
    chownSync(top, owner, owner);
    expect(judge(restore(files(join(root, 'a')))).rights).toBe('root');
  });

  it('B8 may be rehearsed everywhere, with the right to read', () => {
    expect(judge(restore(files('/'), true), nothingAllowed)).toEqual({ rights: 'read', spec: restore(plain(files('/')), true) });
    expect(judge(restore(disk('/dev/null'), true), nothingAllowed).rights).toBe('read');
    // What another reader may take for a rehearsal is none.
    for (const odd of ['yes', 1, {}, undefined]) expect(refusal(restore(files('/'), odd)), String(odd)).toMatchObject(needsApproval);
    expect(judge(restore(files(root), 'yes')).spec).toMatchObject({ dryRun: false });
  });
});

describe('restores of disks', () => {
  it('B8 to image files below a restore root need no approval', () => {
    writeFileSync(join(root, 'old.img'), '');
    expect(judge(restore(disk(join(root, 'new.img'), join(root, 'old.img'))))).toMatchObject({ rights: 'root' });
  });

  it('B8 to a device need one, also when it or a link to it lies below a root', () => {
    execFileSync('mknod', [join(root, 'device'), 'b', '7', '255']);
    symlinkSync('/dev/null', join(root, 'link'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    for (const place of ['/dev/null', join(root, 'device'), join(root, 'link'), join(root, 'pipe'), root])
      expect(refusal(restore(disk(place))), place).toMatchObject(needsApproval);
  });

  it('B8 need one if only one of the disks goes elsewhere, or they go to roots of two users', () => {
    expect(refusal(restore(disk(join(root, 'a'), join(top, 'outside', 'b'))))).toMatchObject(needsApproval);
    mkdirSync(join(root, 'pg'));
    const both = { ...list, restoreRoots: [{ path: root }, { path: join(root, 'pg'), user: 'postgres' }] };
    expect((refusal(restore(disk(join(root, 'a'), join(root, 'pg', 'b'))), both) as Error).message).toContain('several users');
    expect(refusal(restore(disk()))).toMatchObject(needsApproval);
  });

  it('B8 are written where they were judged, through a link that is there', () => {
    symlinkSync('old.img', join(root, 'link.img'));
    writeFileSync(join(root, 'old.img'), '');
    expect(judge(restore(disk(join(root, 'link.img')))).spec).toMatchObject({ target: { map: { '/dev/vd0': join(root, 'old.img') } } });
  });
});

describe('an approval', () => {
  it('B8 lets one restore go beyond the list: this one', () => {
    const target = files('/', { include: ['/etc'], delete: true });
    const asked: string[] = [];
    const grant = judge(restore(target), nothingAllowed, (digest) => asked.push(digest) > 0);
    expect(grant).toEqual({ rights: 'root', spec: restore(plain(target)) });
    expect(asked).toEqual([digestOf({ record, target })]);
    const other = digestOf({ record, target: files('/', { include: ['/etc'] }) });
    expect(() => judge(restore(target), nothingAllowed, (digest) => digest === other)).toThrow('root has to approve it');
  });

  it('B8 is not taken for what needs none', () => {
    const never = () => {
      throw new Error('it was asked for');
    };
    for (const spec of [restore(files(root)), restore(files('/'), true), backup({ kind: 'files', paths: [] })])
      expect(() => judge(spec, list, never)).not.toThrow();
  });

  it('B8 is for the place that a link led to, not for what it leads to now', () => {
    symlinkSync('outside', join(top, 'link'));
    const target = files(join(top, 'link', 'x'));
    const approved = digestOf({ record, target: files(join(top, 'outside', 'x')) });
    const take = (digest: string) => digest === approved;
    expect(judge(restore(target), list, take).spec).toMatchObject({ target: { path: join(top, 'outside', 'x') } });
    renameSync(join(top, 'link'), join(top, 'old'));
    symlinkSync('/etc', join(top, 'link'));
    expect(() => judge(restore(target), list, take)).toThrow('root has to approve it');
  });

  it('B8 does not help a command', () => {
    const spec = restore({ kind: 'command', shell: 'psql' });
    expect(() => judge(spec, list, () => true)).toThrow('is not allowed on this host');
  });
});
