// A home of an agent for freezes, with an application that can be frozen: a pair of scripts and a flag that they set and take away.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FreezerSettings, type Frozen, startFreeze } from '../../src/agent/freezer.ts';
import { layoutOf, makeLayout } from '../../src/config/layout.ts';
import { startHere } from '../../src/host/start.ts';
import type { FreezeRequest, ThawReport } from '../../src/model/freeze.ts';
import { processes } from './processes.ts';

export const rdfreezeScript = fileURLToPath(new URL('../../src/rdfreeze.ts', import.meta.url));

export interface FreezerBed {
  readonly home: string;
  readonly run: string;
  readonly settings: FreezerSettings;
  /** Of rdfreeze. */
  readonly env: Readonly<Record<string, string>>;
  /** What failed freezes reported. */
  readonly failures: ThawReport[];
  /** Alarms and other words of rdfreeze. */
  readonly texts: string[];
  /** Adds a pair of scripts; `lines` are run by them after (freeze) or before (unfreeze) the flag is touched. */
  application(name: string, lines?: { readonly freeze?: string; readonly unfreeze?: string }): { isFrozen(): boolean };
  start(request?: Partial<FreezeRequest>, settings?: FreezerSettings): Promise<Frozen>;
  /** Pids of the freezers of this home that run. */
  freezers(): readonly number[];
  /** Pids of what waits to thaw should rdfreeze die: the holders of file systems and the heir. */
  helpers(): readonly number[];
  /** Pids of scripts that run, and of what they started. */
  scripts(): readonly number[];
  /** Ids of freezes that are not over, by what they left on disk. */
  leftovers(): readonly string[];
  /** Actions of the scripts, in their order. */
  actions(): readonly string[];
  remove(): void;
}

/** How rdfreeze is started with an environment of the test's. */
export const startWith =
  (env: Readonly<Record<string, string>>): FreezerSettings['start'] =>
  (verb) =>
    startHere({ argv: [rdfreezeScript, ...(verb === 'rescue' ? [verb] : [])], cwd: '/', env }, { niceness: 0, output: false });

export function freezerBed(): FreezerBed {
  const home = mkdtempSync(join(tmpdir(), 'freezer-'));
  const layout = layoutOf({ AGENT_HOME: home }, 0);
  makeLayout(layout);
  const scripts = join(home, 'bin', 'thirdparty', 'ebk_user');
  mkdirSync(scripts, { recursive: true });
  const story = join(home, 'story');
  const env = { AGENT_HOME: home, AGENT_RUN: layout.run, AGENT_FREEZE_LOCK: join(home, 'lock') };
  const failures: ThawReport[] = [];
  const texts: string[] = [];
  const settings: FreezerSettings = {
    start: startWith(env),
    onText: (text) => void texts.push(text),
    onFailure: (report) => void failures.push(report),
  };
  let count = 0;
  const freezers = () => {
    const all = processes().filter(({ words, variables }) => words[1] === rdfreezeScript && variables.includes(`AGENT_HOME=${home}`));
    return all.filter(({ words }) => words.length === 2).map(({ pid }) => pid);
  };
  return {
    home,
    run: layout.run,
    env,
    settings,
    failures,
    texts,
    application(name, lines = {}) {
      const flag = join(home, `${name}.frozen`);
      const write = (verb: string, body: string) => {
        const path = join(scripts, `${name}_${verb}.sh`);
        writeFileSync(path, `#!/bin/sh\necho ${verb} ${name} >> ${story}\n${body}\necho 0 > "$RESULT_FILE"\n`);
        chmodSync(path, 0o700);
      };
      write('freeze', `touch ${flag}\n${lines.freeze ?? ''}`);
      write('unfreeze', `${lines.unfreeze ?? ''}\nrm -f ${flag}`);
      return { isFrozen: () => existsSync(flag) };
    },
    start: (request = {}, other = settings) =>
      startFreeze({ id: `freeze-${process.pid}-${++count}`, applications: true, fileSystems: [], limitMs: 60_000, ...request }, other),
    freezers,
    helpers: () => {
      const parents = freezers();
      const helpers = processes().filter(({ words }) => words.some((word) => /^rdfreeze-(guard|heir)$/.test(word)));
      return helpers.filter(({ parent }) => parents.includes(parent)).map(({ pid }) => pid);
    },
    scripts: () => {
      const folder = `STILLPOINT_FREEZE_FOLDER=${layout.run}/`;
      const scripts = processes().filter(({ variables }) => variables.some((one) => one.startsWith(folder)));
      return scripts.map(({ pid }) => pid);
    },
    leftovers: () => {
      const top = join(layout.run, 'freeze');
      return existsSync(top) ? readdirSync(top).filter((name) => name !== 'rescue.lock') : [];
    },
    actions: () => (existsSync(story) ? readFileSync(story, 'utf8').trim().split('\n') : []),
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
  };
}
