// What root may write into allow.yaml, and when it is not believed.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findUser } from '../../../src/base/users.ts';
import { allowFileOf, parseAllowList, readAllowList } from '../../../src/config/allow-list.ts';

const nobody = 65534;
const owner = process.getuid?.() ?? 0;
const users = new Map([
  ['root', 0],
  ['postgres', 101],
]);
const find = (name: string) => {
  const uid = users.get(name);
  return uid === undefined ? undefined : { name, uid, gid: uid };
};
const parse = (text: string) => parseAllowList(text, 'allow.yaml', find);

const whole = `# what root allows
restoreRoots:
  - path: /srv/restored
  - { path: /var/lib/postgresql/restored, user: postgres }
  - path: /srv/other
    user: root
commands:
  dump-app:
    argv: [/usr/bin/pg_dump, --clean, ""]
    user: postgres
  load-app:
    shell: zcat | psql app
    user: postgres
`;

const wholeMeans = {
  restoreRoots: [{ path: '/srv/restored' }, { path: '/var/lib/postgresql/restored', user: 'postgres' }, { path: '/srv/other' }],
  commands: {
    'dump-app': { argv: ['/usr/bin/pg_dump', '--clean', ''], user: 'postgres' },
    'load-app': { shell: 'zcat | psql app', user: 'postgres' },
  },
};

describe('the allow-list', () => {
  it('B8 names restore roots and commands, each with its user', () => {
    expect(parse(whole)).toEqual(wholeMeans);
    const nothing = { restoreRoots: [], commands: {} };
    for (const text of ['', '# nothing\n', 'restoreRoots:\ncommands:\n', 'restoreRoots: []\n', 'commands: {}\n'])
      expect(parse(text)).toEqual(nothing);
  });

  const command = (lines: string) => `commands:\n  dump:\n${lines}`;
  it.each([
    ['an unknown key', 'restoreRoots: []\nallowAll: true\n', /line 2: the file has an unknown key "allowAll"/],
    ['an unknown key of a root', 'restoreRoots:\n  - path: /srv/r\n    mode: rw\n', /line 3: a restore root has an unknown key "mode"/],
    ['an unknown key of a command', command('    argv: [/bin/true]\n    user: root\n    env: x\n'), /line 5: .* unknown key "env"/],
    ['a root without path', 'restoreRoots:\n  - user: root\n', /line 2: path is missing/],
    ['a relative path', 'restoreRoots:\n  - path: srv/r\n', /line 2: srv\/r is no absolute path/],
    ['a path with ..', 'restoreRoots:\n  - path: /srv/../etc\n', /line 2: \/srv\/\.\.\/etc is no plain path/],
    ['a path with .', 'restoreRoots:\n  - path: /srv/./r\n', /no plain path/],
    ['a slash at the end', 'restoreRoots:\n  - path: /srv/r/\n', /no plain path/],
    ['a double slash', 'restoreRoots:\n  - path: //srv\n', /no plain path/],
    ['a control character', 'restoreRoots:\n  - path: "/srv/\\e[2J"\n', /control characters/],
    ['everything as a root', 'restoreRoots:\n  - path: /\n', /line 2: path \/ would allow to overwrite everything/],
    [
      'a root twice',
      'restoreRoots:\n  - path: /srv/r\n  - path: /srv/r\n    user: postgres\n',
      /line 3: the restore root \/srv\/r is there twice/,
    ],
    ['an unknown user', 'restoreRoots:\n  - path: /srv/r\n    user: mallory\n', /line 3: there is no user "mallory"/],
    ['a user in another case', command('    argv: [/bin/true]\n    user: Postgres\n'), /line 4: there is no user "Postgres"/],
    ['a uid for a user', command('    argv: [/bin/true]\n    user: 0\n'), /line 4: user must be text/],
    ['an empty user', 'restoreRoots:\n  - path: /srv/r\n    user:\n', /line 3: user is empty/],
    ['a command without user', command('    argv: [/bin/true]\n'), /line 3: user is missing/],
    [
      'a command twice',
      `${command('    argv: [/bin/true]\n    user: root\n')}  dump:\n    shell: x\n    user: root\n`,
      /line 5: Map keys must be unique/,
    ],
    ['an empty argv', command('    argv: []\n    user: root\n'), /line 3: argv is empty/],
    ['an argv without anything', command('    argv:\n    user: root\n'), /line 3: argv is empty/],
    ['a program that PATH finds', command('    argv: [pg_dump]\n    user: root\n'), /line 3: pg_dump is no absolute path/],
    ['a number among arguments', command('    argv: [/bin/sleep, 5]\n    user: root\n'), /line 3: an argument must be text/],
    ['an argv that is a line', command('    argv: /bin/true\n    user: root\n'), /line 3: argv must be a list/],
    ['an empty line', command('    shell: ""\n    user: root\n'), /line 3: shell is empty/],
    ['both argv and shell', command('    argv: [/bin/true]\n    shell: x\n    user: root\n'), /takes either argv or shell/],
    ['neither', command('    user: root\n'), /takes either argv or shell/],
    ['a name of two words', 'commands:\n  a b:\n    shell: x\n    user: root\n', /line 2: "a b" is no name/],
    ['a name that is a prototype', 'commands:\n  __proto__:\n    shell: x\n    user: root\n', /line 2: "__proto__" is no name/],
    ['a command that is text', 'commands:\n  dump: pg_dump\n', /line 2: the command dump must be/],
    ['a list in the place of a map', '- path: /srv/r\n', /line 1: the file must be/],
    ['an alias', 'restoreRoots:\n  - &r { path: /srv/r }\n  - *r\n', /line 3: aliases/],
    ['a merge key', 'commands:\n  a: { <<: { user: root }, shell: x }\n', /unknown key "<<"/],
    ['a tag that nobody knows', 'restoreRoots: !evil []\n', /line 1: Unresolved tag/],
    ['two documents', 'restoreRoots: []\n---\ncommands: {}\n', /line 2|line 3/],
    ['no YAML', 'restoreRoots: [\n', /line [12]: /],
  ])('B8 refuses %s, and says in which line', (_what, text, detail) => {
    const faulty = () => parse(text);
    expect(faulty).toThrow(detail);
    expect(faulty).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('the file of the allow-list', () => {
  let top: string;
  let file: string;
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'allow-'));
    mkdirSync(join(top, 'etc'), { mode: 0o755 });
    file = join(top, 'etc', 'allow.yaml');
    writeFileSync(file, 'restoreRoots:\n  - path: /srv/restored\n', { mode: 0o644 });
  });
  afterEach(() => rmSync(top, { recursive: true, force: true }));

  const read = () => readAllowList(file, owner, find);
  const refuses = (detail: string | RegExp) => {
    expect(read).toThrow(detail);
    expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  };

  it('B8 is /etc/stillpoint/allow.yaml unless AGENT_ALLOW says otherwise', () => {
    expect(allowFileOf({})).toBe('/etc/stillpoint/allow.yaml');
    expect(allowFileOf({ AGENT_ALLOW: '/x/y' })).toBe('/x/y');
  });

  it('B8 is read; without it nothing is allowed', () => {
    expect(read()).toEqual({ restoreRoots: [{ path: '/srv/restored' }], commands: {} });
    rmSync(file);
    expect(read()).toEqual({ restoreRoots: [], commands: {} });
    rmSync(join(top, 'etc'), { recursive: true });
    expect(read()).toEqual({ restoreRoots: [], commands: {} });
  });

  it('B8 is not believed if others may have written it', () => {
    chownSync(file, nobody, nobody);
    refuses('it is owned by uid 65534');
    chownSync(file, owner, owner);
    chmodSync(file, 0o664);
    refuses('it may be written by its group (mode 664)');
    chmodSync(file, 0o646);
    refuses('it may be written by everybody (mode 646)');
    chmodSync(file, 0o600);
    expect(read().restoreRoots).toHaveLength(1);
  });

  it('B8 is not believed in a folder that others own or may write', () => {
    chmodSync(join(top, 'etc'), 0o777);
    refuses(/the directory .*etc may be written/);
    chmodSync(join(top, 'etc'), 0o755);
    chownSync(top, nobody, nobody);
    refuses(`the directory ${top} is owned by uid 65534`);
    chownSync(top, owner, owner);
    expect(read().restoreRoots).toHaveLength(1);
  });

  it('B8 is not believed as a link, a folder, or a dangling link, which is not a missing file', () => {
    renameSync(file, join(top, 'real.yaml'));
    symlinkSync('../real.yaml', file);
    refuses('it is a symbolic link');
    rmSync(join(top, 'real.yaml'));
    refuses('it is a symbolic link');
    rmSync(file);
    mkdirSync(file);
    refuses('it is no regular file');
  });
});

describe('users', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/bash\nPg:x:12:13::/:/bin/sh\n+::::::\nbad:x:-1:0::/:\n';
  it('B8 are found in passwd(5) as they are written', () => {
    expect(findUser('Pg', passwd)).toEqual({ name: 'Pg', uid: 12, gid: 13 });
    expect(['pg', 'bad', '+', '', '12', 'nobody'].map((name) => findUser(name, passwd))).toEqual(Array(6).fill(undefined));
    expect(findUser('root')).toEqual({ name: 'root', uid: 0, gid: 0 });
  });
});
