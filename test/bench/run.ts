// npm run bench [-- --runs N --only disk,files,s3,idle,stall,databases,lists --keep DIR]: Stillpoint and stock restic in turn, in one run, on the same data.
// Prints medians and ratios and writes test/bench/results.md. Nothing here decides a test: machines are noisy.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRadosgw } from '../beds/radosgw.ts';
import { type Contender, type Measured, type Place, restic, stillpoint } from './contenders.ts';
import { makeFiles, makeImage } from './data.ts';
import { measureDatabases } from './databases.ts';
import { measureLists } from './lists.ts';
import { measureStall } from './stall.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: 'disk,files,s3,idle' },
    keep: { type: 'string' },
    size: { type: 'string', default: '2048' },
    files: { type: 'string', default: '100000' },
  },
});
const runs = Number(values.runs);
const wanted = new Set(values.only.split(','));
const root = values.keep ?? mkdtempSync(join(tmpdir(), 'stillpoint-bench-'));
mkdirSync(root, { recursive: true });

interface Row {
  readonly work: string;
  readonly goal: string;
  readonly ours: Measured[];
  readonly theirs: Measured[];
}
const rows = new Map<string, Row>();
const notes: string[] = [];

function record(work: string, goal: string, who: Contender, measured: Measured): void {
  const row = rows.get(work) ?? { work, goal, ours: [], theirs: [] };
  rows.set(work, row);
  (who.name === 'restic' ? row.theirs : row.ours).push(measured);
  console.log(
    `${who.name.padEnd(10)} ${work.padEnd(52)} ${measured.seconds.toFixed(2).padStart(7)} s  ${(measured.peak / 1e6).toFixed(0).padStart(5)} MB`,
  );
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

async function inTurn(place: Place, round: (who: Contender) => Promise<void>): Promise<void> {
  const contenders = [restic(place), await stillpoint(place)];
  try {
    for (let run = 0; run < runs; run++)
      for (const who of contenders) {
        who.fresh();
        await round(who);
      }
    const [theirs, ours] = contenders.map((who) => who.stored()) as [number, number];
    if (theirs > 0)
      notes.push(
        `Last vault: Stillpoint ${(ours / 1e6).toFixed(0)} MB, restic ${(theirs / 1e6).toFixed(0)} MB (${(ours / theirs).toFixed(2)}).`,
      );
  } finally {
    for (const who of contenders) await who.stop();
  }
}

const localPlace = (name: string): Place => {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return { type: 'local', root: folder };
};

async function restoreInto(who: Contender, path: string, kind: 'disk' | 'files'): Promise<Measured> {
  // Small files go to memory: after a mass deletion ext4 takes up to half a millisecond to create a file, and that would be measured.
  const target = mkdtempSync(join(kind === 'files' ? '/dev/shm' : root, `restored-${who.name}-`));
  const measured = await who.restore(path, kind, target);
  if (kind === 'disk') execFileSync('cmp', [path, who.name === 'restic' ? join(target, path) : join(target, 'disk.img')]);
  else execFileSync('diff', ['-r', path, join(target, path)]);
  rmSync(target, { recursive: true });
  return measured;
}

async function diskRows(): Promise<void> {
  const image = join(root, 'image.raw');
  makeImage(image, Number(values.size) * 2 ** 20);
  const touch = () => utimesSync(image, new Date(), new Date());
  await inTurn(localPlace('disk'), async (who) => {
    record('first backup of a 2 GiB disk image', '≥ 3', who, await who.backup(image, 'disk'));
    touch();
    record('the same image again, touched, unchanged', '≥ 5', who, await who.backup(image, 'disk'));
    record('restore of it', '≥ 1.5', who, await restoreInto(who, image, 'disk'));
  });
}

async function fileRows(): Promise<void> {
  const folder = join(root, 'files');
  makeFiles(folder, Number(values.files));
  await inTurn(localPlace('many'), async (who) => {
    record(`${values.files} small files, first backup`, '≥ 1', who, await who.backup(folder, 'files'));
    record(`${values.files} small files, second backup`, '≥ 1.5', who, await who.backup(folder, 'files'));
    record(`${values.files} small files, restore`, '≥ 1.5', who, await restoreInto(who, folder, 'files'));
  });
}

async function s3Rows(): Promise<void> {
  const image = join(root, 'image.raw');
  makeImage(image, Number(values.size) * 2 ** 20);
  const server = await startRadosgw();
  try {
    const folder = join(root, 's3');
    mkdirSync(folder, { recursive: true });
    await inTurn({ type: 's3', server, root: folder }, async (who) => {
      record('first backup of the image to a local radosgw', '≥ 2', who, await who.backup(image, 'disk'));
    });
  } finally {
    await server.stop();
  }
}

async function idleRow(): Promise<void> {
  const agent = await stillpoint(localPlace('idle'));
  const stat = () => {
    const fields = readFileSync(`/proc/${agent.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const before = stat();
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'latin1'))![1]) / 1024;
  notes.push(`Idle rdagent: ${rss.toFixed(0)} MiB resident (goal ≤ 120), ${stat() - before} clock ticks (10 ms) of CPU in 20 s.`);
  await agent.stop();
}

try {
  if (wanted.has('disk')) await diskRows();
  if (wanted.has('files')) await fileRows();
  if (wanted.has('s3')) await s3Rows();
  if (wanted.has('idle')) await idleRow();
  if (wanted.has('stall')) await measureStall(5, ['plain', 'slow', 'report']);
  if (wanted.has('databases')) await measureDatabases(runs);
  if (wanted.has('lists')) await measureLists();
} finally {
  if (!values.keep) rmSync(root, { recursive: true, force: true });
}

const cells = [...rows.values()].map(({ work, goal, ours, theirs }) => {
  const [a, b] = [median(ours.map((m) => m.seconds)), median(theirs.map((m) => m.seconds))];
  const peak = Math.max(...ours.map((m) => m.peak)) / 1e6;
  const theirPeak = Math.max(...theirs.map((m) => m.peak)) / 1e6;
  return `| ${work} | ${a.toFixed(2)} s | ${b.toFixed(2)} s | ${(b / a).toFixed(1)} | ${goal} | ${peak.toFixed(0)} MB | ${theirPeak.toFixed(0)} MB |`;
});
const version = execFileSync('restic', ['version'], { encoding: 'utf8' }).trim();
const report = `# Benchmark

Medians of ${runs} runs each, in turn, on one machine with ${availableParallelism()} cores and ${Math.round(totalmem() / 2 ** 30)} GiB, data in the page cache.
Against ${version.split(' compiled')[0]} at its default compression. Stillpoint: \`agentcli backup run --wait\` against the running agent, from typing to prompt.
Disk image: 30 % zeros, 40 % log text, 30 % random. Every restore was compared with its source. Made by \`npm run bench\`.

| work | Stillpoint | restic | times faster | goal | peak memory of the task | of restic |
|---|---|---|---|---|---|---|
${cells.join('\n')}

${notes.map((note) => `- ${note}`).join('\n')}
`;
// The stall and the databases have pages of their own.
if (rows.size + notes.length > 0) {
  console.log(`\n${report}`);
  writeFileSync(new URL('./results.md', import.meta.url), report);
}
