// When something runs and how long it stays, from the options of `policy` and `plan`.
import { type Command, Option } from 'commander';
import { fail } from '../base/errors.ts';
import type { RetentionInput, ScheduleInput } from '../rpc/schemas-policies.ts';
import { parseCount } from './parse.ts';

export interface RuleOptions {
  readonly cron?: string;
  readonly hours?: string;
  readonly weekdays?: string;
  readonly everyDays?: number;
  readonly firstDay?: string;
  readonly zone?: string;
  readonly keepDays?: number;
  readonly keepMonths?: number;
  readonly keep?: number;
  readonly keepForever?: boolean;
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
  readonly keepYearly?: number;
  readonly fullEvery?: number | false;
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

export function ruleOptions(command: Command): Command {
  const when = (flags: string, description: string) => new Option(flags, description).helpGroup('When it runs:');
  const kept = (flags: string, description: string) =>
    new Option(flags, description).helpGroup('How long backups stay (automatic ones only):');
  const count = (option: Option) => option.argParser(parseCount);
  return command
    .addOption(when('--cron <expression>', 'five fields, UTC if no zone is given; a day must fit the month and the week'))
    .addOption(when('--hours <list>', 'hours of the day, each at its beginning: 0,2 or 08:00,20:00'))
    .addOption(when('--weekdays <list>', 'with --hours: mon-fri, sat,sun or 1-7; every day if not given'))
    .addOption(count(when('--every-days <n>', 'with --hours: every 1 to 30 days, the first time today')))
    .addOption(when('--first-day <date>', 'with --every-days: counted from this day (2026-03-01)'))
    .addOption(when('--zone <name>', 'time zone, for example Europe/Berlin; that of this host for --hours'))
    .addOption(count(when('--full-every <days>', 'a full backup, which reads and proves everything, so often')))
    .addOption(when('--no-full-every', 'no full backups by themselves'))
    .addOption(count(kept('--keep <n>', 'the newest 2 to 99999')))
    .addOption(count(kept('--keep-days <n>', '2 to 99999 days; 99999 is for ever')))
    .addOption(count(kept('--keep-months <n>', '1, 3, 6 or 12 months')))
    .addOption(kept('--keep-forever', 'for ever (the default)'))
    .addOption(count(kept('--keep-last <n>', 'scheme: the newest n whatever their age')))
    .addOption(count(kept('--keep-daily <n>', 'scheme: the newest of each of n days')))
    .addOption(count(kept('--keep-weekly <n>', 'scheme: of n weeks')))
    .addOption(count(kept('--keep-monthly <n>', 'scheme: of n months')))
    .addOption(count(kept('--keep-yearly <n>', 'scheme: of n years')));
}

/** Throws USAGE_ARGUMENT for options that do not go together. */
export function scheduleFromOptions(options: RuleOptions, help: string): ScheduleInput | undefined {
  const { cron, hours, weekdays, everyDays, firstDay, zone } = options;
  const wrong = (detail: string): never => fail('USAGE_ARGUMENT', { detail, help });
  if (cron !== undefined) {
    if (hours !== undefined || weekdays !== undefined || everyDays !== undefined)
      wrong('--cron says it all: leave --hours and its days away');
    return { cron, ...(zone && { zone }) };
  }
  if (hours === undefined) {
    if (weekdays !== undefined || everyDays !== undefined || zone !== undefined || firstDay !== undefined)
      wrong('there is neither --cron nor --hours');
    return undefined;
  }
  if (weekdays !== undefined && everyDays !== undefined) wrong('give --weekdays or --every-days, not both');
  const at = hoursFrom(hours, wrong);
  const common = { hours: at, ...(zone && { zone }) };
  if (everyDays !== undefined) return { ...common, everyDays, ...(firstDay && { from: firstDay }) };
  return { ...common, weekdays: weekdaysFrom(weekdays ?? '1-7', wrong) };
}

export function retentionFromOptions(options: RuleOptions, help: string): RetentionInput | undefined {
  const { keep, keepDays, keepMonths, keepForever, keepLast, keepDaily, keepWeekly, keepMonthly, keepYearly } = options;
  const scheme = {
    ...(keepLast !== undefined && { last: keepLast }),
    ...(keepDaily !== undefined && { daily: keepDaily }),
    ...(keepWeekly !== undefined && { weekly: keepWeekly }),
    ...(keepMonthly !== undefined && { monthly: keepMonthly }),
    ...(keepYearly !== undefined && { yearly: keepYearly }),
  };
  const said: RetentionInput[] = [
    ...(keep === undefined ? [] : [{ count: keep }]),
    ...(keepDays === undefined ? [] : [{ days: keepDays }]),
    ...(keepMonths === undefined ? [] : [{ months: keepMonths }]),
    ...(keepForever ? [{ permanent: true } as const] : []),
    ...(Object.keys(scheme).length > 0 ? [scheme] : []),
  ];
  if (said.length > 1) fail('USAGE_ARGUMENT', { detail: 'give one rule of retention: a number, a time, for ever, or a scheme', help });
  return said[0];
}

/** What the options say of a rule; what is not named is left out. */
export function ruleFromOptions(options: RuleOptions, help: string) {
  const schedule = scheduleFromOptions(options, help);
  const retention = retentionFromOptions(options, help);
  const { fullEvery } = options;
  return {
    ...(schedule && { schedule }),
    ...(retention && { retention }),
    ...(fullEvery !== undefined && { fullEveryDays: fullEvery === false ? null : fullEvery }),
  };
}

type Wrong = (detail: string) => never;

function hoursFrom(text: string, wrong: Wrong): number[] {
  return text.split(',').map((word) => {
    const match = /^(\d{1,2})(:00)?$/.exec(word.trim());
    return match ? Number(match[1]) : wrong(`${word.trim()} is no hour: 0 to 23, or 00:00 to 23:00`);
  });
}

function weekdaysFrom(text: string, wrong: Wrong): number[] {
  const dayOf = (word: string): number => {
    const index = days.indexOf(word.trim().toLowerCase().slice(0, 3));
    const day = /^[1-7]$/.test(word.trim()) ? Number(word) : index + 1;
    return day > 0 ? day : wrong(`${word.trim()} is no day of the week: mon to sun, or 1 to 7`);
  };
  return text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-') as [string, string?];
    const from = dayOf(first);
    const to = dayOf(last);
    return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => ((from - 1 + i) % 7) + 1);
  });
}
