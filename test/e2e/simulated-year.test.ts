// A year (12 days at the small size) of the real rdagent with real tasks, an hour at a time: every start is accounted for, what is kept is
// what a simple model keeps, and stock restic agrees in the end. The model shares no code with the product.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { PlanCreate } from '../../src/rpc/schemas.ts';
import { full } from '../beds/task-runner.ts';
import { type ClockedAgent, clockedAgent } from './clock-bench.ts';

const hour = 3600_000;
const day = 24 * hour;
/** A Sunday; summer time begins in Europe on the 29th of March. */
const begin = Date.UTC(2026, 2, 15, 12, 30);
const end = begin + (full ? 365 : 12) * day;

interface Made {
  readonly plan: string;
  readonly time: number;
  readonly keep: string;
}

/** Wall-clock time in Berlin, without any of the product's calendar. */
const berlin = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', weekday: 'short', hourCycle: 'h23' });
function inBerlin(moment: number) {
  const parts = Object.fromEntries(berlin.formatToParts(moment).map(({ type, value }) => [type, value]));
  return { hour: Number(parts['hour']), weekday: parts['weekday'] };
}

/** Whether the plan starts at this full hour. */
const isDue: Readonly<Record<string, (moment: number) => boolean>> = {
  nightly: (moment) => new Date(moment).getUTCHours() === 2,
  office: (moment) => {
    const { hour: clock, weekday } = inBerlin(moment);
    return (clock === 8 || clock === 20) && weekday !== 'Sat' && weekday !== 'Sun';
  },
  third: (moment) => new Date(moment).getUTCHours() === 5 && Math.floor((moment - Date.UTC(2026, 2, 15)) / day) % 3 === 0,
};

let agent: ClockedAgent;
afterEach(() => agent?.remove());

const available = async (plan: string) => {
  const { items } = await agent.client.call('backupList', { query: { plan, limit: 1000 } });
  return items.filter(({ state }) => state === 'available');
};

describe('the agent by itself', () => {
  it(
    'B2 B3 B5 M8 runs for a long time, makes what is due and keeps what its rules say',
    async () => {
      agent = await clockedAgent(begin, full ? '' : 'checkDays: 7\nreadDataDays: 0\npruneDays: 7\n');
      const { client } = agent;
      const data = agent.tree;
      mkdirSync(join(agent.home, 'pool'));
      await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(agent.home, 'pool') } } });
      const { vault, recoveryKey } = await client.call('vaultCreate', { body: { name: 'v1' } });
      const create = (name: string, more: Partial<PlanCreate>) =>
        client.call('planCreate', { body: { name, vault: 'v1', source: { kind: 'files', paths: [data] }, ...more } });
      await create('nightly', { schedule: { cron: '0 2 * * *' }, retention: { count: 3 }, fullEveryDays: 3 });
      const office = { hours: [8, 20], weekdays: [1, 2, 3, 4, 5], zone: 'Europe/Berlin' };
      await create('office', { schedule: office, retention: { days: 10 } });
      await client.call('policyCreate', {
        body: { name: 'third', schedule: { hours: [5], everyDays: 3, from: '2026-03-15', zone: 'UTC' }, retention: { permanent: true } },
      });
      await client.call('policyApply', { params: { id: 'v1' }, body: { policy: 'third' } });
      await create('third', {});

      const made: Made[] = [];
      const keeps: Record<string, string> = { nightly: '3', office: '10d', third: 'permanent' };
      let running = true;
      const missed = new Set<string>();
      for (let moment = begin - (begin % hour) + hour; moment <= end; moment += hour) {
        const now = moment - begin;
        const due = Object.keys(isDue).filter((plan) => isDue[plan]!(moment));
        // Off for two days in the first week: what was missed is made up once.
        if (running && now >= 3 * day && now < 5 * day) {
          await agent.stop(full ? 'SIGKILL' : 'SIGTERM');
          running = false;
        }
        if (!running && now >= 5 * day) {
          agent.set(moment);
          await agent.start();
          await agent.settled();
          running = true;
          for (const plan of new Set([...missed, ...due])) made.push({ plan, time: moment, keep: keeps[plan]! });
          continue;
        }
        if (!running) {
          for (const plan of due) missed.add(plan);
          continue;
        }
        // The rule of one plan changes from a number to another number, then to a time.
        if (now >= 6 * day && now < 6 * day + hour) await change('nightly', { retention: { count: 5 } }, '5');
        if (now >= 8 * day && now < 8 * day + hour) await change('nightly', { retention: { days: 4 } }, '4d');
        if (due.length === 0) continue;
        writeFileSync(join(data, `${moment % (7 * day)}`), `${moment}`.repeat(50));
        await agent.advanceTo(moment);
        for (const plan of due) made.push({ plan, time: moment, keep: keeps[plan]! });
        for (const plan of due) await compare(plan, moment);
      }

      async function change(plan: string, words: Partial<PlanCreate>, keep: string) {
        await agent.client.call('planUpdate', { params: { id: plan }, body: words });
        keeps[plan] = keep;
      }

      async function compare(plan: string, moment: number) {
        const failed = await agent.client.call('taskList', { query: { state: 'failed' } });
        expect(failed.items.map(({ type, problem }) => ({ type, problem }))).toEqual([]);
        const there = (await available(plan)).map(({ time }) => time).toSorted((a, b) => a - b);
        expect(there, `${plan} at ${new Date(moment).toISOString()}`).toEqual(expected(made, plan, moment));
      }

      for (const plan of Object.keys(isDue)) {
        const starts = await agent.client.call('planStarts', { params: { id: plan }, query: { limit: 1000 } });
        const all = dueTimes(plan);
        const told = starts.items.map(({ due }) => due).toSorted((a, b) => a - b);
        expect(told).toEqual(all.slice(-1000));
        expect(starts.total).toBe(all.length);
        // Made up once for all that were missed; on a computer that was off nothing is skipped without a word.
        const outcomes = starts.items.map(({ outcome }) => outcome);
        expect(outcomes.filter((outcome) => outcome === 'made-up')).toHaveLength(missed.has(plan) ? 1 : 0);
        expect(starts.items.every(({ outcome, reason }) => (outcome === 'skipped') === (reason !== ''))).toBe(true);
      }
      expect((await available('nightly')).some((backup) => backup.full)).toBe(true);
      await agent.stop();
      const { location } = vault;
      const restic = (...args: string[]) =>
        execFileSync('restic', ['-r', location, ...args], { env: { ...process.env, RESTIC_PASSWORD: recoveryKey }, encoding: 'utf8' });
      expect(restic('check', '--read-data')).toContain('no errors were found');
      expect(JSON.parse(restic('snapshots', '--json'))).toHaveLength(Object.keys(isDue).flatMap((plan) => keptAtEnd(plan)).length);

      function keptAtEnd(plan: string) {
        const last = made.findLast((one) => one.plan === plan)!.time;
        return expected(made, plan, last);
      }
    },
    full ? 3 * 3600_000 : 600_000,
  );
});

describe('the agent killed at any moment', () => {
  it(
    'B2 B3 B6 is right again after each restart: every start once, what is kept as the rule says, a whole vault',
    async () => {
      agent = await clockedAgent(begin, 'readDataDays: 0\n');
      mkdirSync(join(agent.home, 'pool'));
      await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(agent.home, 'pool') } } });
      const { vault, recoveryKey } = await agent.client.call('vaultCreate', { body: { name: 'v1' } });
      const source: PlanCreate['source'] = { kind: 'files', paths: [agent.tree] };
      const rule = { schedule: { cron: '0 */6 * * *' }, retention: { count: 3 } };
      await agent.client.call('planCreate', { body: { name: 'often', vault: 'v1', source, ...rule } });
      const dues: number[] = [];
      const first = Date.UTC(2026, 2, 15, 18);
      for (let moment = first; moment < first + (full ? 7 : 2) * day; moment += 6 * hour) {
        dues.push(moment);
        writeFileSync(join(agent.tree, 'changing'), `${moment}`.repeat(1000));
        agent.set(moment);
        await sleep(Math.random() * 1500);
        await agent.stop('SIGKILL');
        await agent.start();
        await agent.settled();
        // A run that died is tried again after five minutes.
        await agent.advanceTo(moment + 6 * 60_000);
        await expect.poll(async () => (await available('often'))[0]?.time ?? 0, { timeout: 30_000 }).toBeGreaterThanOrEqual(moment);
        await agent.settled();
        expect(await available('often')).toHaveLength(Math.min(3, dues.length));
      }
      const starts = await agent.client.call('planStarts', { params: { id: 'often' }, query: { limit: 1000 } });
      expect(starts.items.map(({ due }) => due).reverse()).toEqual(dues);
      expect(starts.items.every(({ outcome }) => outcome === 'run')).toBe(true);
      expect((await agent.client.call('auditVerify', { body: {} })).entries).toBeGreaterThan(dues.length);
      await agent.stop();
      const env = { ...process.env, RESTIC_PASSWORD: recoveryKey };
      expect(execFileSync('restic', ['-r', vault.location, 'check', '--read-data'], { env, encoding: 'utf8' })).toContain(
        'no errors were found',
      );
    },
    full ? 900_000 : 240_000,
  );
});

/** Full hours at which the plan starts, from its creation to the end. */
function dueTimes(plan: string): number[] {
  const times: number[] = [];
  for (let moment = begin - (begin % hour) + hour; moment <= end; moment += hour) if (isDue[plan]!(moment)) times.push(moment);
  return times;
}

/** The simple model: a number counts all that are there, a time counts for what was made under it; the newest always stays. */
function expected(made: readonly Made[], plan: string, now: number): number[] {
  let there: Made[] = [];
  for (const one of made.filter((each) => each.plan === plan && each.time <= now)) {
    there.push(one);
    const count = /^\d+$/.test(one.keep) ? Number(one.keep) : undefined;
    there = there.filter(({ keep, time }, i) => {
      if (i === there.length - 1) return true;
      const days = /^(\d+)d$/.exec(keep);
      if (days && one.time >= time + Number(days[1]) * day) return false;
      return count === undefined || keep === 'permanent' || there.length - i <= count;
    });
  }
  return there.map(({ time }) => time);
}
