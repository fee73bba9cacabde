// Schedules in words.
import type { HoursSchedule, Schedule, Weekday } from './schedule.ts';

const names: Readonly<Record<Weekday, string>> = {
  1: 'Monday',
  2: 'Tuesday',
  3: 'Wednesday',
  4: 'Thursday',
  5: 'Friday',
  6: 'Saturday',
  7: 'Sunday',
};

/** For people: "at 02:00 and 14:00 on Monday to Friday (Europe/Berlin)". */
export function scheduleText(schedule: Schedule): string {
  if (schedule.kind === 'hours') return `${timesText(schedule.hours)} ${daysText(schedule.days)} (${schedule.zone})`;
  const daily = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(schedule.expression);
  return `${daily ? `at ${clock(daily[2]!, daily[1]!)} every day` : `as cron says: ${schedule.expression}`} (${schedule.zone})`;
}

function timesText(hours: readonly number[]): string {
  return hours.length === 24 ? 'every hour' : `at ${listed(hours.map((hour) => clock(hour, 0)))}`;
}

function daysText(days: HoursSchedule['days']): string {
  if ('every' in days) return days.every === 1 ? 'every day' : `every ${days.every} days, counted from ${days.from}`;
  return days.weekdays.length === 7 ? 'every day' : `on ${listed(runsOf(days.weekdays))}`;
}

/** Three and more days in a row as "Monday to Wednesday". */
function runsOf(weekdays: readonly Weekday[]): readonly string[] {
  const runs: Weekday[][] = [];
  for (const weekday of weekdays) {
    const run = runs.at(-1);
    if (run?.at(-1) === weekday - 1) run.push(weekday);
    else runs.push([weekday]);
  }
  return runs.flatMap((run) => (run.length > 2 ? [`${names[run[0]!]} to ${names[run.at(-1)!]}`] : run.map((weekday) => names[weekday])));
}

function clock(hour: number | string, minute: number | string): string {
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
