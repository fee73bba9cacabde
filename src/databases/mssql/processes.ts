// Programs that run on this host, by their names: for servers that listen at a port which nobody has told.
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Whether a process of one of these names runs here; those of containers, which have process ids of their own, are left out. */
export async function runs(names: readonly string[]): Promise<boolean> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const here = await space('self');
  for (const id of ids) {
    const name = await readFile(`/proc/${id}/comm`, 'utf8').catch(() => '');
    if (names.includes(name.trimEnd()) && (await space(id)) === here) return true;
  }
  return false;
}

const space = (id: string): Promise<string | undefined> => readlink(`/proc/${id}/ns/pid`).catch(() => undefined);
