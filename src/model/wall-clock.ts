// The clock on the wall of a time zone, and the instants (ms since the epoch) that it shows a time at.
import { fail } from '../base/errors.ts';

const second = 1000;
export const minute = 60 * second;
export const hour = 60 * minute;

/** The IANA name as it is usually written. Throws TIME_ZONE_UNKNOWN; offsets such as +02:00 are no names. */
export function zoneFrom(name: string): string {
  try {
    if (/^[A-Za-z][\w+/-]*$/.test(name)) return at(0, name).timeZoneId;
  } catch (cause) {
    return fail('TIME_ZONE_UNKNOWN', { zone: name }, { cause });
  }
  return fail('TIME_ZONE_UNKNOWN', { zone: JSON.stringify(name) });
}

export function at(instant: number, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
}

/** YYYY-MM-DD HH:MM */
export function shown(instant: number, zone: string): string {
  return at(instant, zone).toPlainDateTime().toString({ smallestUnit: 'minute' }).replace('T', ' ');
}

/** When the clock shows this time: at one instant; at two where it is set back; at the end of the gap where it leaves the time out. */
export function instantsAt(local: Temporal.PlainDateTime, zone: string): readonly number[] {
  const earlier = local.toZonedDateTime(zone, { disambiguation: 'earlier' });
  if (!earlier.toPlainDateTime().equals(local)) return [earlier.getTimeZoneTransition('next')!.epochMilliseconds];
  const later = local.toZonedDateTime(zone, { disambiguation: 'later' }).epochMilliseconds;
  return later === earlier.epochMilliseconds ? [later] : [earlier.epochMilliseconds, later];
}

/** The first of them. */
export function instantAt(local: Temporal.PlainDateTime, zone: string): number {
  return instantsAt(local, zone)[0]!;
}
