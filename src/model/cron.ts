// Cron expressions: five fields, read by node-cron. A day must fit both the day of the month and the day of the week.
import { validateDetailed } from 'node-cron';
import { fail } from '../base/errors.ts';

/** A day of the calendar, without a zone. */
export interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday, 6 Saturday. */
  readonly weekday: number;
  readonly daysInMonth: number;
}

/** At which times of day something starts, and on which days. */
export interface Timetable {
  /** 0 to 23, ascending. */
  readonly hours: readonly number[];
  /** 0 to 59, ascending. */
  readonly minutes: readonly number[];
  /** Counted by passing time, not by the clock on the wall: an hour that comes twice starts twice. */
  readonly everyHour: boolean;
  readonly fits: (day: Day) => boolean;
}

const longest = 256;

/** The expression with single spaces. Throws SCHEDULE_INVALID. */
export function cronFrom(expression: string): string {
  const plain = expression.trim().replace(/ +/g, ' ');
  readCron(plain);
  return plain;
}

/** Throws SCHEDULE_INVALID. */
export function readCron(expression: string): Timetable {
  const invalid = (detail: string): never => fail('SCHEDULE_INVALID', { schedule: `"${expression.slice(0, longest)}"`, detail });
  if (expression.length > longest) invalid(`it is longer than ${longest} characters`);
  const parts = expression.split(' ');
  if (parts.length !== 5) invalid(`it has ${parts.length} fields, not five (minute, hour, day of the month, month, day of the week)`);
  // node-cron would read 2* as 20-23, and count up to any number it is given.
  const odd = parts
    .flatMap((part) => part.split(','))
    .find((piece) => /\d{3}/.test(piece) || (piece.includes('*') && !/^\*(\/\d+)?$/.test(piece)));
  if (odd !== undefined) invalid(`${odd} is nothing that can stand there`);
  const { fields, errors } = validateDetailed(expression);
  if (!fields) return invalid(errors.map(({ message }) => message).join('; '));
  const { dayOfMonth, month, dayOfWeek } = fields;
  return {
    hours: ascending(fields.hour),
    minutes: ascending(fields.minute),
    everyHour: parts[1]!.startsWith('*'),
    fits: (day) =>
      month.includes(day.month) &&
      dayOfMonth.some((value) => dayOf(value, day) === day.day) &&
      dayOfWeek.some((value) => fitsWeekday(value, day)),
  };
}

function ascending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** Which day of this month it means: a number, L (the last), L-3 (three days before it), 15W (the working day nearest to it), LW; 0 for none. */
function dayOf(value: number | string, { day, weekday, daysInMonth }: Day): number {
  if (typeof value === 'number') return value;
  const before = /^L-(\d+)$/.exec(value);
  if (value === 'L' || before) return daysInMonth - Number(before?.[1] ?? 0);
  const near = value === 'LW' ? daysInMonth : Number.parseInt(value, 10);
  if (near > daysInMonth) return 0;
  const nearWeekday = (((weekday + near - day) % 7) + 7) % 7;
  if (nearWeekday === 6) return near === 1 ? 3 : near - 1;
  if (nearWeekday === 0) return near === daysInMonth ? near - 2 : near + 1;
  return near;
}

/** A weekday, 5L (the last Friday of the month) or 1#2 (its second Monday). */
function fitsWeekday(value: number | string, { day, weekday, daysInMonth }: Day): boolean {
  if (typeof value === 'number') return value === weekday;
  if (Number(value[0]) % 7 !== weekday) return false;
  return value.endsWith('L') ? day + 7 > daysInMonth : Math.ceil(day / 7) === Number(value.slice(2));
}
