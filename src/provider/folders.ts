// Who owns what: the home, its programs and AGENT_RUN are root's, and root believes what lies there; rdagent owns the folders that it works in.
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { User } from '../base/users.ts';
import type { Layout } from '../config/layout.ts';
import { layOutScripts } from '../quiescers/scripts/script-folder.ts';

/** `user`: who rdagent runs as; undefined: as we do. Throws system errors. */
export function makeFolders({ home, conf, data, log, tmp, run, agentRun }: Layout, user: User | undefined): void {
  mkdirSync(home, { recursive: true, mode: 0o755 });
  mkdirSync(run, { recursive: true, mode: 0o750 });
  for (const own of [conf, data, log, tmp, agentRun]) {
    mkdirSync(own, { recursive: true, mode: 0o750 });
    if (user) chownSync(own, user.uid, user.gid);
  }
  layOutShipped(home);
  if (!user) return;
  for (const [folder, mode] of [
    [home, 0o755],
    [run, 0o750],
  ] as const) {
    chownSync(folder, process.getuid?.() ?? 0, user.gid);
    chmodSync(folder, mode);
  }
}

/** Freeze scripts for a checkout's home; an installation brings its own. */
function layOutShipped(home: string): void {
  const shipped = fileURLToPath(new URL('../../scripts', import.meta.url));
  if (existsSync(join(shipped, 'ebk_user'))) layOutScripts(home, shipped);
}
