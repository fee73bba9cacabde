// A home of the agent with freeze scripts in it, and a database that is none (fake-database.ts).
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSealer } from '../../src/config/secrets.ts';
import type { Quiescer } from '../../src/ports/quiescer.ts';
import { closePairs, findPairs, type ScriptPair } from '../../src/quiescers/scripts/pairs.ts';
import { scriptQuiescer } from '../../src/quiescers/scripts/quiescer.ts';
import { openRunFolder } from '../../src/quiescers/scripts/run-folder.ts';
import { thirdPartyLog } from '../../src/quiescers/scripts/thirdparty-log.ts';
import { rightPassword } from './fake-database.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const owner = process.getuid?.() ?? 0;

export interface ScriptHome {
  readonly home: string;
  readonly scripts: string;
  /** The fake database's directory. */
  readonly place: string;
  /** Of the freeze `id`. */
  readonly runFolder: string;
  readonly id: string;
  /** Adds <name>_freeze.sh and <name>_unfreeze.sh. */
  pair(name: string, freeze: string, unfreeze?: string): void;
  /** A pair that freezes the fake database. */
  fake(settings?: Readonly<Record<string, string>>): void;
  /** The quiescers of all pairs. */
  quiescers(scriptMs?: number): readonly Quiescer[];
  one(scriptMs?: number): Quiescer;
  /** What log/thirdparty.log holds once what has gathered is written. */
  log(): string;
  sealed(password: string): string;
  /** What the freezer's death does. */
  loseFreezer(): void;
  /** The process that holds the fake database. */
  holder(): number;
  inPlace(file: string): boolean;
  remove(): void;
}

/** Sources agent_func.sh, then `lines`. */
export const sourced = (lines: string): string => `#!/bin/bash\n. "$1/bin/agent_func.sh"\n${lines}\n`;
export const works = sourced('finish 0');

export async function scriptHome(id = 'f1'): Promise<ScriptHome> {
  const home = mkdtempSync(join(tmpdir(), 'freeze-scripts-'));
  const at = (...names: string[]) => join(home, ...names);
  const scripts = at('bin', 'thirdparty', 'ebk_user');
  const place = at('db');
  for (const folder of [scripts, place, at('log'), at('run'), at('conf'), at('tmp')]) mkdirSync(folder, { recursive: true, mode: 0o755 });
  symlinkSync(join(root, 'scripts/agent_func.sh'), at('bin', 'agent_func.sh'));
  program(at('bin', 'rdfreeze'), `#!/bin/sh\nexec ${root}/scripts/dev/node ${root}/test/beds/fake-database.ts "$@"\n`);
  writeFileSync(join(place, 'server'), '');
  const sealer = openSealer(at('conf', 'installation.key'));
  const folder = await openRunFolder(at('run'), id);
  const log = thirdPartyLog(at('log', 'thirdparty.log'));
  const opened: ScriptPair[] = [];
  const sealed = (password: string) => sealer.seal('script/password', password);

  const self: ScriptHome = {
    home,
    scripts,
    place,
    id,
    runFolder: folder.path,
    sealed,
    pair(name, freeze, unfreeze = works) {
      program(join(scripts, `${name}_freeze.sh`), freeze);
      program(join(scripts, `${name}_unfreeze.sh`), unfreeze);
    },
    fake(settings = {}) {
      const all = { user: 'u', password: sealed(rightPassword), place, ...settings };
      const lines = Object.entries(all).map(([name, value]) => `${name}=${value}`);
      const call = (verb: string) => sourced(`${verb}_database fake << 'END'\n${lines.join('\n')}\nEND\nfinish $?`);
      self.pair('fake', call('freeze'), call('unfreeze'));
    },
    quiescers(scriptMs = 30_000) {
      const pairs = findPairs(scripts, owner);
      opened.push(...pairs);
      return pairs.map((pair) => scriptQuiescer(pair, { agentRoot: home, id, runFolder: folder.path, limits: { scriptMs }, log, owner }));
    },
    one: (scriptMs) => self.quiescers(scriptMs)[0]!,
    log() {
      log.flush();
      const path = at('log', 'thirdparty.log');
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    },
    loseFreezer: () => folder.close(),
    holder: () => Number(readFileSync(join(place, 'frozen'), 'utf8')),
    inPlace: (file) => existsSync(join(place, file)),
    remove() {
      folder.close();
      closePairs(opened);
      rmSync(home, { recursive: true, force: true });
    },
  };
  return self;
}

export function program(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

export function lives(pid: number): boolean {
  try {
    // A zombie has ended.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}
