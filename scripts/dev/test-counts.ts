// Prints "passed failed skipped" of a run of vitest (its JSON report). --note: keeps what came of each file in test/full-results.d/, so that
// long tests may be run one by one, and writes test/full-results.md from all that lies there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const folder = 'test/full-results.d';
const [path = '', flag] = process.argv.slice(2);
const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numFailedTestSuites: suites } = report;
if (flag === '--note') {
  note(report);
  assemble();
}
process.stdout.write(`${passed} ${Math.max(failed, failed === 0 ? suites : 0)} ${skipped}\n`);

function note({ testResults }: Report): void {
  mkdirSync(folder, { recursive: true });
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  for (const { name, status, startTime, endTime, assertionResults } of testResults) {
    const count = (wanted: string) => assertionResults.filter((one) => one.status === wanted).length;
    const broken = Math.max(count('failed'), status === 'failed' ? 1 : 0);
    const minutes = ((endTime - startTime) / 60_000).toFixed(1);
    const day = new Date(startTime).toISOString().slice(0, 10);
    const row = `| ${relative('.', name)} | ${count('passed')} | ${broken} | ${count('pending')} | ${minutes} min | ${day} | ${commit} |\n`;
    writeFileSync(join(folder, `${basename(name, '.test.ts')}.row`), row);
  }
}

function assemble(): void {
  const files = readdirSync(folder).sort();
  const read = (ending: string) => files.filter((name) => name.endsWith(ending)).map((name) => readFileSync(join(folder, name), 'utf8'));
  const rows = read('.row');
  const sum = (column: number) => rows.reduce((all, row) => all + Number(row.split('|')[column]), 0);
  const head = [
    '# Results of scripts/dev/test.sh --full',
    '',
    '| test | passed | failed | skipped | took | day | commit |',
    '|---|---|---|---|---|---|---|',
  ];
  const line = `${sum(2)} passed, ${sum(3)} failed${sum(4) > 0 ? `, ${sum(4)} skipped` : ''}`;
  writeFileSync('test/full-results.md', `${head.join('\n')}\n${rows.join('')}\n${read('.md').join('')}${line}\n`);
}
