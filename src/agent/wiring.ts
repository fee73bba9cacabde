// The one list of adapters.
import type { Providers } from '../backends/provider.ts';
import type { SourceSettings } from '../model/plan.ts';
import type { RestoreTarget } from '../model/task.ts';
import type { Restorer } from '../ports/restorer.ts';
import type { Source, Warn } from '../ports/source.ts';

export const providers: Providers = {
  local: async () => (await import('../backends/local-pool.ts')).localPool,
  s3: async () => (await import('../backends/s3-pool.ts')).s3Pool,
};

export interface SourceContext {
  readonly warn: Warn;
  /** Absolute paths that no backup reads and no restore deletes: local vaults, the agent's own files. */
  readonly own: readonly string[];
}

type Kind = SourceSettings['kind'];

export const sources: {
  readonly [K in Kind]: (settings: Extract<SourceSettings, { kind: K }>, context: SourceContext) => Promise<Source>;
} = {
  files: async (settings, { warn, own }) => (await import('../sources/files/source.ts')).filesSource(settings, { warn, selfExclude: own }),
  disk: async (settings, { warn }) => (await import('../sources/disk/source.ts')).diskSource(settings, { warn }),
  command: async (settings) => (await import('../sources/command/source.ts')).commandSource(settings),
};

type TargetKind = RestoreTarget['kind'];

export const restorers: {
  readonly [K in TargetKind]: (target: Extract<RestoreTarget, { kind: K }>, context: Pick<SourceContext, 'own'>) => Promise<Restorer>;
} = {
  files: async (target, { own }) => (await import('../sources/files/restorer.ts')).filesRestorer(target, own),
  disk: async (target) => (await import('../sources/disk/restorer.ts')).diskRestorer(target),
  command: async (target) => (await import('../sources/command/restorer.ts')).commandRestorer(target),
};
