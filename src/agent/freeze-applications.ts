// The freeze scripts of bin/thirdparty/ebk_user as rdfreeze uses them, in a freeze and in a rescue.
import { join } from 'node:path';
import { fail } from '../base/errors.ts';
import type { Layout } from '../config/layout.ts';
import type { Quiescer } from '../ports/quiescer.ts';
import { closePairs, findPairs, type ScriptPair } from '../quiescers/scripts/pairs.ts';
import { type ScriptContext, scriptQuiescer } from '../quiescers/scripts/quiescer.ts';
import { thirdPartyLog } from '../quiescers/scripts/thirdparty-log.ts';

export interface Applications {
  /** In the order of freezing. Throws SCRIPT_…. */
  all(): readonly Quiescer[];
  /** What a dead freeze left, by the name of its pair. Its thaw throws FREEZE_THAW_FAILED where the pair is gone. */
  left(name: string): Pick<Quiescer, 'name' | 'thaw'>;
  /** Writes what the scripts said; once nothing is frozen any more. */
  flush(): void;
  close(): void;
}

/** One script may take so long (ms). */
const scriptMs = 30_000;

export const scriptsFolder = (layout: Layout): string => join(layout.home, 'bin', 'thirdparty', 'ebk_user');

/** `folder`: AGENT_RUN/freeze/<id>. */
export function freezeApplications(layout: Layout, id: string, folder: string): Applications {
  const owner = process.getuid?.() ?? 0;
  const log = thirdPartyLog(join(layout.log, 'thirdparty.log'));
  const context: ScriptContext = { agentRoot: layout.home, id, runFolder: folder, limits: { scriptMs }, log, owner };
  let pairs: readonly ScriptPair[] | undefined;
  const find = () => {
    pairs ??= findPairs(scriptsFolder(layout), owner);
    return pairs;
  };
  return {
    all: () => find().map((pair) => scriptQuiescer(pair, context)),
    left: (name) => ({
      name,
      async thaw() {
        const pair = find().find((one) => one.name === name);
        if (!pair) fail('FREEZE_THAW_FAILED', { name, detail: `its scripts are not in ${scriptsFolder(layout)} any more` });
        return scriptQuiescer(pair, context).thaw();
      },
    }),
    flush: () => void log.flush(),
    close() {
      if (pairs) closePairs(pairs);
      pairs = undefined;
    },
  };
}
