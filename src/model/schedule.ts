// When a policy or a plan starts by itself. What it means in instants is model/starts.ts.

/** 1 is Monday, 7 Sunday (ISO 8601). */
export type Weekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** Five fields as node-cron reads them: a day must fit both the day of the month and the day of the week. */
export interface CronSchedule {
  readonly kind: 'cron';
  readonly expression: string;
  /** IANA name; UTC where none was given. */
  readonly zone: string;
}

/** At the beginning of chosen hours (guide 5.2), on chosen weekdays or every so many days. */
export interface HoursSchedule {
  readonly kind: 'hours';
  /** 0 to 23, ascending. */
  readonly hours: readonly number[];
  readonly days:
    | { readonly weekdays: readonly Weekday[] }
    /** Every 1 to 30 days, counted from `from` (YYYY-MM-DD, the day of creation in the schedule's zone). */
    | { readonly every: number; readonly from: string };
  /** IANA name; the host's where none was given. */
  readonly zone: string;
}

export type Schedule = CronSchedule | HoursSchedule;

/** Starts are allowed from `from` to `to` only (HH:MM in `zone`, may pass midnight); what still runs at `to` is ended. */
export interface Window {
  readonly from: string;
  readonly to: string;
  readonly zone: string;
}
