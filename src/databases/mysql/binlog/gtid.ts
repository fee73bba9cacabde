// Sets of transactions as the servers write them: MySQL's `uuid:1-5:7`, and MariaDB's position by domain, `0-1-100`, which stands for all
// that its domain had until then.

/** By domain or source: runs of numbers, first and last. */
export type GtidSet = ReadonlyMap<string, readonly (readonly [bigint, bigint])[]>;

export interface Gtid {
  /** MariaDB's domain; MySQL's source with its tag. */
  readonly of: string;
  readonly number: bigint;
  /** MariaDB: server_id of who committed it. */
  readonly server?: string;
}

const maria = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/;
const source = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const tag = /^[a-z_][a-z0-9_]{0,31}$/i;

/** One transaction; undefined for what is none. */
export function parseGtid(text: string): Gtid | undefined {
  const [, domain, server, sequence] = maria.exec(text.trim()) ?? [];
  if (domain !== undefined) return { of: domain, server: server!, number: BigInt(sequence!) };
  const parts = text.trim().split(':');
  const number = parts.at(-1)!;
  const names = parts.slice(0, -1);
  const valid = names.length <= 2 && source.test(names[0] ?? '') && (names[1] === undefined || tag.test(names[1]));
  return valid && /^\d{1,19}$/.test(number) ? { of: names.join(':').toLowerCase(), number: BigInt(number) } : undefined;
}

/** Throws for what is no set. */
export function parseGtidSet(text: string): GtidSet {
  const set = new Map<string, (readonly [bigint, bigint])[]>();
  const add = (of: string, first: bigint, last: bigint) => set.set(of, [...(set.get(of) ?? []), [first, last]]);
  for (const part of text.replace(/\s/g, '').split(',').filter(Boolean)) {
    const one = maria.exec(part);
    if (one) add(one[1]!, 1n, BigInt(one[3]!));
    else addSource(part, add);
  }
  return set;
}

function addSource(text: string, add: (of: string, first: bigint, last: bigint) => void): void {
  const [uuid = '', ...parts] = text.toLowerCase().split(':');
  if (!source.test(uuid)) throw new Error(`${text} is no set of transactions`);
  let of = uuid;
  for (const part of parts) {
    const [, first, last = first] = /^(\d{1,19})(?:-(\d{1,19}))?$/.exec(part) ?? [];
    if (first !== undefined) add(of, BigInt(first), BigInt(last!));
    else of = `${uuid}:${part}`;
  }
}

export const holds = (set: GtidSet, { of, number }: Gtid): boolean =>
  (set.get(of) ?? []).some(([first, last]) => first <= number && number <= last);

/** Whether `whole` has all of `part`. Runs of one source must not touch one another, which is how servers write them. */
export function covers(whole: GtidSet, part: GtidSet): boolean {
  return [...part].every(([of, runs]) =>
    runs.every(([first, last]) => (whole.get(of) ?? []).some(([from, to]) => from <= first && last <= to)),
  );
}

/** Of MariaDB's position the entry of a domain. */
export function entryOf(position: string, domain: string): Gtid | undefined {
  return position
    .split(',')
    .map(parseGtid)
    .find((one) => one?.of === domain);
}
