// Restores the directory argv[2] below argv[3] and kills itself before the argv[4]-th file is written (never, if that is 0).

import { filesRestorer } from '../../src/sources/files/restorer.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { memoryVault } from './memory-vault.ts';

const [from = '', to = '', dieAt = '0', overwrite = 'always'] = process.argv.slice(2);
const vault = memoryVault();
const settings = { kind: 'files', paths: [from], excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false } as const;
const source = await filesSource(settings, { warn: () => process.exit(9) });
const root = await vault.save(source);
let count = 0;
vault.beforeWrite = () => {
  if (++count === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
};
const restorer = filesRestorer(
  { kind: 'files', path: to, include: [], overwrite: overwrite === 'if-changed' ? 'if-changed' : 'always', delete: true, verify: true },
  [],
);
await restorer.run({
  backup: { root, paths: [from], record: 'a-record', totalFiles: 0, totalBytes: 0, tags: {} },
  other: () => process.exit(9),
  reader: vault.reader,
  warn: ({ item, detail }) => console.log(`${item}: ${detail}`),
  signal: new AbortController().signal,
  onFile: () => {},
});
