// What happened, for people: events of plans, pools, vaults and the agent; and alarms, which stand until what they tell is over.

export type Level = 'info' | 'minor' | 'major' | 'critical';
export const levels: readonly Level[] = ['info', 'minor', 'major', 'critical'];

export interface Subject {
  readonly kind: 'plan' | 'vault' | 'pool' | 'agent' | 'task';
  /** Empty for the agent. */
  readonly id: string;
  readonly name: string;
}

/** An event that comes again with the same subject, type and content within a day only counts up. */
export interface Happening {
  readonly subject: Subject;
  /** Stable, in capitals: BACKUP_DONE, BACKUP_FAILED, START_SKIPPED, PLAN_PAUSED … */
  readonly type: string;
  readonly level: Level;
  readonly content: string;
}

/** One at a time for each subject and type. */
export interface AlarmState {
  readonly subject: Subject;
  /** Stable, in capitals: BACKUP_FAILED, BACKUP_MISSED, BACKUP_TOO_OLD, POOL_OFFLINE, VAULT_USAGE, CLOCK_JUMPED … */
  readonly type: string;
  readonly level: Level;
  readonly content: string;
}
