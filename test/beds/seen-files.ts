// What a backup of files would see.
import type { Warning } from '../../src/model/warning.ts';
import type { Entry } from '../../src/ports/source.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { filesOf } from './vault.ts';

/** Paths below `from`, and the warnings. */
export async function seen(
  paths: readonly string[],
  from: string,
  more: Partial<Parameters<typeof filesSource>[0]> = {},
  placeOf?: (path: string) => string,
) {
  const found: string[] = [];
  const warnings: Warning[] = [];
  const source = await filesSource(
    { ...filesOf(...paths), ...more },
    { warn: (warning) => warnings.push(warning), ...(placeOf ? { placeOf } : {}) },
  );
  const visit = async (entries: AsyncIterable<Entry>, path: string) => {
    for await (const entry of entries) {
      const below = `${path}/${entry.meta.name.toString('latin1')}`;
      if (below.startsWith(`${from}/`)) found.push(below.slice(from.length + 1));
      if (entry.kind === 'dir') await visit(entry.list(), below);
    }
  };
  await visit(source.list(), '');
  await source.close();
  return { found, warnings };
}
