// The rules of the house are only worth something if breaking them is noticed: each is broken here, in a small tree of its own.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'floors-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** One file a floor, each importing from the floor below: values, and types alone. */
const clean = {
  'src/base/clock.ts': 'export interface Clock { now(): number }\nexport const zero = 0;\n',
  'src/model/plan.ts': "import type { Clock } from '../base/clock.ts';\nexport interface Plan { readonly clock: Clock }\n",
  'src/ports/source.ts': "import type { Plan } from '../model/plan.ts';\nexport interface Source { readonly plan: Plan }\n",
  'src/backends/s3.ts': "import { S3Client } from '@aws-sdk/client-s3';\nexport const s3 = () => new S3Client({});\n",
  'src/repository/save.ts': "import type { Source } from '../ports/source.ts';\nexport const save = (source: Source) => source;\n",
  'src/engine/backup.ts': "import { save } from '../repository/save.ts';\nexport const backUp = save;\n",
  'src/agent/daemon.ts': "import { backUp } from '../engine/backup.ts';\nexport const daemon = backUp;\n",
  'src/agent/run-standalone.ts': 'export const run = 1;\n',
  'src/cli/main.ts': "import { zero } from '../base/clock.ts';\nexport const main = zero;\n",
  'src/monitor/monitor.ts': "import { zero } from '../base/clock.ts';\nexport const monitor = zero;\n",
  'src/rdmonitor.ts': "import { monitor } from './monitor/monitor.ts';\nmonitor;\n",
  'src/rdagent.ts': "import { daemon } from './agent/daemon.ts';\ndaemon;\n",
  'src/rdtask.ts': "import { s3 } from './backends/s3.ts';\ns3();\n",
  'package.json': JSON.stringify({
    name: 'fixture',
    type: 'module',
    dependencies: { '@aws-sdk/client-s3': '1.0.0' },
    devDependencies: { vitest: '1.0.0' },
  }),
  'node_modules/@aws-sdk/client-s3/package.json': '{"name":"@aws-sdk/client-s3","version":"1.0.0","type":"module","exports":"./index.js"}',
  'node_modules/@aws-sdk/client-s3/index.js': 'export class S3Client {}\n',
  'node_modules/vitest/package.json': '{"name":"vitest","version":"1.0.0","type":"module","exports":"./index.js"}',
  'node_modules/vitest/index.js': 'export const it = 1;\n',
} as const;

interface Cruise {
  readonly status: number | null;
  /** Names of the rules that were broken, each once. */
  readonly broken: readonly string[];
  readonly modules: number;
  readonly dependencies: number;
}

function put(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** The clean tree with some files changed or added, under this project's own rules. */
function cruise(name: string, changes: Readonly<Record<string, string>>): Cruise {
  const folder = join(top, name);
  cpSync(join(top, 'clean'), folder, { recursive: true });
  put(folder, changes);
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const { status, stdout } = spawnSync(join(root, 'scripts/dev/node'), [program, '--config', '.dependency-cruiser.mjs', 'src'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  const broken = [...stdout.matchAll(/^\s*error ([\w-]+):/gm)].map(([, rule = '']) => rule);
  const [, modules, dependencies] = /\((\d+) modules, (\d+) dependencies cruised\)/.exec(stdout) ?? [];
  return { status, broken: [...new Set(broken)].toSorted(), modules: Number(modules), dependencies: Number(dependencies) };
}

describe('the floors', () => {
  beforeAll(() => {
    put(join(top, 'clean'), clean);
    for (const file of ['.dependency-cruiser.mjs', 'tsconfig.json']) copyFileSync(join(root, file), join(top, 'clean', file));
  });

  it('house: a tree that keeps the rules passes, and all of it is read', () => {
    const { status, broken, modules, dependencies } = cruise('good', {});
    expect({ status, broken }).toEqual({ status: 0, broken: [] });
    // A cruiser that cannot read TypeScript finds no imports and so no fault.
    expect(modules).toBeGreaterThanOrEqual(11);
    expect(dependencies).toBeGreaterThanOrEqual(9);
  });

  it.each([
    ['a value from a higher floor', { 'src/base/clock.ts': "import { daemon } from '../agent/daemon.ts';\nexport const zero = daemon;\n" }],
    ['a type from a higher floor', { 'src/base/tree.ts': "import type { Plan } from '../model/plan.ts';\nexport type Tree = Plan;\n" }],
    ['a type exported on', { 'src/base/tree.ts': "export type { Plan } from '../model/plan.ts';\n" }],
    ['a type named in place', { 'src/base/tree.ts': "export type Tree = import('../model/plan.ts').Plan;\n" }],
    ['a value loaded later', { 'src/base/tree.ts': "export const tree = () => import('../engine/backup.ts');\n" }],
  ])('house: base may not have %s', (what, changes) => {
    const { status, broken } = cruise(what, changes);
    expect(status).toBeGreaterThan(0);
    expect(broken).toContain('floor-base');
  });

  it('house: folders of one floor do not know each other', () => {
    const { status, broken } = cruise('siblings', {
      'src/repository/pool.ts': "import type { s3 } from '../backends/s3.ts';\nexport type Pool = typeof s3;\n",
    });
    expect(status).toBeGreaterThan(0);
    expect(broken).toEqual(['floor-repository']);
  });

  it('house: the command line reaches the agent through one door only', () => {
    const through = (file: string) => ({ 'src/cli/door.ts': `export const door = () => import('../agent/${file}');\n` });
    expect(cruise('door', through('run-standalone.ts')).broken).toEqual([]);
    expect(cruise('no door', through('daemon.ts')).broken).toEqual(['floor-cli']);
  });

  it.each([
    [
      'of values',
      "import { two } from './two.ts';\nexport const one = () => two;\n",
      "import { one } from './one.ts';\nexport const two = () => one;\n",
    ],
    [
      'of types',
      "import type { Two } from './two.ts';\nexport type One = Two;\n",
      "import type { One } from './one.ts';\nexport type Two = One;\n",
    ],
  ])('house: no cycles %s', (what, one, two) => {
    const { status, broken } = cruise(`cycle ${what}`, { 'src/base/one.ts': one, 'src/base/two.ts': two });
    expect(status).toBeGreaterThan(0);
    expect(broken).toEqual(['no-cycles']);
  });

  it('house: rdagent does not reach an SDK, however far away', () => {
    const { status, broken } = cruise('sdk', {
      'src/agent/daemon.ts': "import { pool } from './pool.ts';\nexport const daemon = pool;\n",
      'src/agent/pool.ts': "import { s3 } from '../backends/s3.ts';\nexport const pool = s3;\n",
    });
    expect(status).toBeGreaterThan(0);
    expect(broken).toEqual(['rdagent-stays-small']);
  });

  it('house: what runs as root all the time reaches no package, not even its types', () => {
    for (const [what, line] of [
      ['values', "import { S3Client } from '@aws-sdk/client-s3';\nexport const zero = S3Client;\n"],
      ['types', "import type { S3Client } from '@aws-sdk/client-s3';\nexport const zero: S3Client | 0 = 0;\n"],
    ] as const) {
      const { status, broken } = cruise(`root ${what}`, { 'src/rdagent.ts': 'export {};\n', 'src/base/clock.ts': line });
      expect(status).toBeGreaterThan(0);
      expect(broken).toEqual(['root-without-packages']);
    }
  });

  it('house: what ships needs no package of development, and nothing that is not there', () => {
    expect(cruise('dev', { 'src/base/tree.ts': "import { it } from 'vitest';\nexport const tree = it;\n" }).broken).toEqual(['not-to-dev']);
    expect(cruise('gone', { 'src/base/tree.ts': "import { it } from './gone.ts';\nexport const tree = it;\n" }).broken).toContain(
      'resolvable',
    );
  });
});

describe('the files of this project', () => {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const files = listed.split('\0').filter((file) => file !== '' && statSync(join(root, file), { throwIfNoEntry: false })?.isFile());
  const textOf = (file: string) => readFileSync(join(root, file), 'utf8');

  it('house: no file under src has more than 320 lines', () => {
    const sources = globSync('src/**/*.ts', { cwd: root });
    expect(sources.length).toBeGreaterThan(100);
    const long = sources.map((file) => [file, textOf(file).split('\n').length - 1] as const).filter(([, lines]) => lines > 320);
    expect(long).toEqual([]);
  });

  it('house: nothing speaks of the place where it was made', () => {
    expect(files.length).toBeGreaterThan(200);
    // Put together from pieces, so that this file passes, too.
    const place = ['', 'work', ''].join('/');
    const words = [`${place}main`, `${place}shared`, `${place}.`, ['test', 'beds.md'].join('-'), ['restic', 'format.md'].join('-')];
    const found = files.flatMap((file) => words.filter((word) => textOf(file).includes(word)).map((word) => `${file}: ${word}`));
    expect(found).toEqual([]);
  });

  it('house: the lock file names no registry', () => {
    expect(textOf('package-lock.json')).not.toMatch(/"resolved":\s*"https?:/);
    expect(textOf('.npmrc')).not.toMatch(/registry\s*=\s*http/);
  });

  it('house: no test is left out by hand', () => {
    const marks = ['only', 'skip', 'todo'].map((mark) => new RegExp(`\\b(it|test|describe)(\\.each|\\.for)?\\.${mark}\\b`));
    const tests = files.filter((file) => file.endsWith('.test.ts'));
    expect(tests.filter((file) => marks.some((mark) => mark.test(textOf(file))))).toEqual([]);
  });
});
