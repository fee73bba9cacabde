// What needs device-mapper, and a stock kernel: a Debian in qemu runs the tests of LVM, of a MariaDB on a logical volume and of frozen file systems.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { full, onlyFull, reporter } from '../beds/task-runner.ts';
import { type Machine, startMachine } from '../beds/vm/machine.ts';

const minutes = 60_000;
/** In the machine: results as JSON, and how vitest is told that everything takes its time there. */
const results = '/root/results.json';
const patiently = [
  '--testTimeout=900000',
  '--hookTimeout=900000',
  '--expect.poll.timeout=900000',
  '--no-file-parallelism',
  '--reporter=json',
  `--outputFile=${results}`,
];
const environment = ['STILLPOINT_LVM_DISK=/dev/disk/by-id/virtio-volumes', 'NODE_COMPILE_CACHE=/root/compiled'];

interface Inside {
  readonly status: string;
  readonly fullName: string;
  /** ms. */
  readonly duration?: number;
  readonly failureMessages?: readonly string[];
}

describe.skipIf(!full)(`a virtual machine with LVM${onlyFull}`, () => {
  const report = reporter('5-lvm-vm', 'LVM and a stock kernel, in a virtual machine without acceleration');
  let machine: Machine;

  beforeAll(async () => {
    const began = performance.now();
    machine = await startMachine();
    report.row('build (the first time) and start', (performance.now() - began) / 1000);
    for (const argv of [
      ['uname', '-rv'],
      ['lvm', 'version'],
    ])
      report.say((await machine.run(argv)).out.trim().split('\n')[0]!);
  }, 30 * minutes);
  afterAll(async () => {
    await machine?.stop();
    report.write();
  });

  /** Runs one test file in the machine; all that it has (of `only`) must pass, and at least `least`. */
  async function passesInside(what: string, file: string, least: number, only?: string): Promise<void> {
    const began = performance.now();
    await machine.run(['rm', '-f', results]);
    const vitest = ['scripts/dev/node', 'node_modules/vitest/vitest.mjs', 'run', file, ...patiently, ...(only ? ['-t', only] : [])];
    const { out } = await machine.run(['env', ...environment, ...vitest], 40 * minutes);
    const text = await machine.copyOut(results).catch((error: Error) => expect.fail(`${error.message}\n${out}`));
    const { testResults } = JSON.parse(text) as { testResults: readonly { assertionResults: readonly Inside[]; message: string }[] };
    const all = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status !== 'skipped' || !only);
    const passed = all.filter(({ status }) => status === 'passed');
    const slowest = passed.toSorted((a, b) => (b.duration ?? 0) - (a.duration ?? 0))[0];
    const note = `${passed.length} of ${all.length} tests passed; the slowest ${Math.round((slowest?.duration ?? 0) / 1000)} s`;
    report.row(what, (performance.now() - began) / 1000, { note });
    const troubles = all.filter(({ status }) => status !== 'passed').map((one) => `${one.status}: ${one.fullName}: ${one.failureMessages}`);
    expect([...troubles, ...testResults.map(({ message }) => message).filter((one) => one !== '')]).toEqual([]);
    expect(passed.length).toBeGreaterThanOrEqual(least);
  }

  /** What a test that ended left in the machine. */
  async function nothingIsLeft(): Promise<void> {
    expect((await machine.run(['lvs', '--noheadings'])).out.trim()).toBe('');
  }

  it(
    'S1 the law of snapshots holds on thick and thin volumes, and an image that overflows hurts nobody',
    async () => {
      await passesInside('snapshots of logical volumes', 'test/adapters/snapshot-lvm-real.test.ts', 35);
      await nothingIsLeft();
    },
    45 * minutes,
  );

  it(
    'A2 S6 a MariaDB under load on a logical volume comes back sound; overflow and SIGKILL leave nothing behind',
    async () => {
      await passesInside('backups from logical volumes', 'test/e2e/still-point-lvm.test.ts', 4);
      await nothingIsLeft();
    },
    45 * minutes,
  );

  it(
    'A3 file systems are frozen and thawed by the kernel of a stock Debian',
    () => passesInside('frozen file systems', 'test/adapters/file-systems-quiescer.test.ts', 8, 'a file system \\((ext4|xfs)\\)'),
    45 * minutes,
  );
});
