// Images of this test process: those of others, which may run beside it on the same host, are none of its business.

const prefix = `stillpoint-t${process.pid}-`;

/** The name of a snapshot of ours. */
export const mine = (name: string): string => `${prefix}${name}`;

/** What sweep() is told: everything lives but ours, and of ours those in `alive`. */
export const ofOthersAnd = (...alive: readonly string[]): Pick<ReadonlySet<string>, 'has'> => ({
  has: (name) => !name.startsWith(prefix) || alive.includes(name),
});
