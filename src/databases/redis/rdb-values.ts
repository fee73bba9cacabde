// How the values of an RDB are written, as far as it takes to find their ends.
import { type RdbBytes, type Reading, UnknownRdb } from './rdb-bytes.ts';

/** Reads over the value of `type`. Throws UnknownRdb for a type that is not known here. */
export function* skipValue(bytes: RdbBytes, type: number): Reading<void> {
  const skip = values[type];
  if (skip === undefined) throw new UnknownRdb(`values of the type ${type} are not known`);
  yield* skip(bytes);
}

type Skip = (bytes: RdbBytes) => Reading<void>;

const one: Skip = (bytes) => bytes.skipString();

/** A count, and so many times `part`. */
const many = (part: Skip): Skip =>
  function* (bytes) {
    for (let left = yield* bytes.length(); left > 0; left--) yield* part(bytes);
  };

function* stringAndText(bytes: RdbBytes): Reading<void> {
  yield* bytes.skipString();
  // A score as text; three lengths stand for what is no number.
  const length = yield* bytes.byte();
  if (length < 253) yield* bytes.skip(length);
}

function* stringAndDouble(bytes: RdbBytes): Reading<void> {
  yield* bytes.skipString();
  yield* bytes.skip(8);
}

function* pair(bytes: RdbBytes): Reading<void> {
  yield* bytes.skipString();
  yield* bytes.skipString();
}

function* numberAndString(bytes: RdbBytes): Reading<void> {
  yield* bytes.length();
  yield* bytes.skipString();
}

/** When a field expires, the field, its value. */
function* expiringPair(bytes: RdbBytes): Reading<void> {
  yield* bytes.length();
  yield* pair(bytes);
}

const afterTime = (rest: Skip): Skip =>
  function* (bytes) {
    yield* bytes.skip(8);
    yield* rest(bytes);
  };

const streamId = 16;

/** `version`: 1 as of Redis 5, 2 as of 7.0, 3 as of 7.2. */
const stream = (version: 1 | 2 | 3): Skip =>
  function* (bytes) {
    yield* many(pair)(bytes); // ids and listpacks
    const numbers = version === 1 ? 3 : 8; // entries, last id; first id, highest deleted id, entries ever added
    for (let i = 0; i < numbers; i++) yield* bytes.length();
    yield* many(group(version))(bytes);
  };

const group = (version: 1 | 2 | 3): Skip =>
  function* (bytes) {
    yield* bytes.skipString();
    const numbers = version === 1 ? 2 : 3; // last id; entries read
    for (let i = 0; i < numbers; i++) yield* bytes.length();
    yield* many(pending)(bytes);
    yield* many(consumer(version))(bytes);
  };

/** Id, time of delivery, number of deliveries. */
function* pending(bytes: RdbBytes): Reading<void> {
  yield* bytes.skip(streamId + 8);
  yield* bytes.length();
}

const consumer = (version: 1 | 2 | 3): Skip =>
  function* (bytes) {
    yield* bytes.skipString();
    yield* bytes.skip(version === 3 ? 16 : 8); // last seen; last active
    yield* many((from) => from.skip(streamId))(bytes);
  };

const moduleParts = { end: 0, signed: 1, unsigned: 2, float: 3, double: 4, string: 5 } as const;

/** What a module wrote tells its own parts. */
export function* skipModuleParts(bytes: RdbBytes): Reading<void> {
  for (;;) {
    const part = yield* bytes.length();
    if (part === moduleParts.end) return;
    if (part === moduleParts.signed || part === moduleParts.unsigned) yield* bytes.length();
    else if (part === moduleParts.float) yield* bytes.skip(4);
    else if (part === moduleParts.double) yield* bytes.skip(8);
    else if (part === moduleParts.string) yield* bytes.skipString();
    else throw new UnknownRdb(`a module's part ${part} is not known`);
  }
}

function* moduleValue(bytes: RdbBytes): Reading<void> {
  yield* bytes.length();
  yield* skipModuleParts(bytes);
}

/** By the numbers of rdb.h. 6 (modules before their release) and 8 are not in use. */
const values: Readonly<Record<number, Skip>> = {
  0: one,
  1: many(one),
  2: many(one),
  3: many(stringAndText),
  4: many(pair),
  5: many(stringAndDouble),
  7: moduleValue,
  9: one,
  10: one,
  11: one,
  12: one,
  13: one,
  14: many(one),
  15: stream(1),
  16: one,
  17: one,
  18: many(numberAndString),
  19: stream(2),
  20: one,
  21: stream(3),
  22: many(expiringPair),
  23: one,
  24: afterTime(many(expiringPair)),
  25: afterTime(one),
};
