// Points in time as Go's time.Time marshals them: RFC 3339 with up to nine digits of a second's fraction, trailing zeros cut, "Z" for a
// zero offset. Years are held within 0..9999, as restic does before it writes (internal/data/node.go, fixTime). JavaScript's Date knows
// neither nanoseconds nor the far times that file systems hold, so the calendar is counted here.
import type { NodeTime } from '../model/node.ts';

const DAY = 86_400;
const two = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));

/** "YYYY-MM-DD" by days since the epoch; files of one directory share few of them. */
const dates = new Map<number, string>();
const KEPT_DATES = 4096;

export function formatTime(time: NodeTime): string {
  const offset = time.offset ?? 0;
  const local = time.seconds + offset * 60;
  const day = Math.floor(local / DAY);
  let date = dates.get(day);
  if (date === undefined) {
    if (dates.size >= KEPT_DATES) dates.clear();
    date = dateOf(day);
    dates.set(day, date);
  }
  const second = local - day * DAY;
  const clock = `${two[Math.floor(second / 3600)]}:${two[Math.floor(second / 60) % 60]}:${two[second % 60]}`;
  return `${date}T${clock}${fraction(time.nanos)}${zone(offset)}`;
}

function fraction(nanos: number): string {
  if (nanos === 0) return '';
  return `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

function zone(offset: number): string {
  if (offset === 0) return 'Z';
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two[Math.floor(minutes / 60)]}:${two[minutes % 60]}`;
}

/** Days of 400 years, after which the Gregorian calendar repeats, and from 0000-03-01 to 1970-01-01; years are counted from March here. */
const ERA = 146_097;
const TO_EPOCH = 719_468;

function dateOf(days: number): string {
  const shifted = days + TO_EPOCH;
  const era = Math.floor(shifted / ERA);
  const ofEra = shifted - era * ERA;
  const yearOfEra = Math.floor((ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  let day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  if (year < 0) year = 0;
  if (year > 9999) {
    year = 9999;
    if (month === 2 && day === 29) [month, day] = [3, 1];
  }
  return `${String(year).padStart(4, '0')}-${two[month]}-${two[day]}`;
}

function daysTo(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * ERA + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + ofYear - TO_EPOCH;
}

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads what formatTime() writes, and any offset or number of digits (past nine they are cut); undefined if it is no RFC 3339 time. */
export function parseTime(text: string): NodeTime | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6])];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) return undefined;
  const local = daysTo(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
  const nanos = match[7] === undefined ? 0 : Number(match[7].slice(0, 9).padEnd(9, '0'));
  if (match[8] === undefined) return { seconds: local, nanos };
  const minutes = Number(match[9]) * 60 + Number(match[10]);
  if (minutes > DAY / 60 || Number(match[10]) > 59) return undefined;
  if (minutes === 0) return { seconds: local, nanos };
  const offset = match[8] === '-' ? -minutes : minutes;
  return { seconds: local - offset * 60, nanos, offset };
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The same for ms since the epoch, UTC. */
export function formatMs(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return formatTime({ seconds, nanos: (ms - seconds * 1000) * 1_000_000 });
}
