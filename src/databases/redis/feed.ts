// Key by key into a running server: what stands in the copy as a value is what RESTORE takes, but for a version and a checksum behind it.
// A small value is gathered; a large one goes through as it is read. Many commands are under way before their answers are read.
import { collector } from '../../base/collect.ts';
import { failure, StillpointError } from '../../base/errors.ts';
import { type Crc64, crc64 } from './crc64.ts';
import { explain, ReplyError } from './failures.ts';
import { isExpired, keyText, libraryName } from './keys.ts';
import { type Look, partsOf, restorePurpose, type Wanted } from './look.ts';
import { type Packing, packing } from './packing.ts';
import { type RdbKey, rdbReader } from './rdb.ts';
import type { RedisAccess } from './settings.ts';
import { command, type Wire } from './wire.ts';

/** How long the server may take over one command (ms): a value of hundreds of megabytes is taken apart in one. */
const answerMs = 300_000;
/** Commands sent before their answers are read. */
const underWay = 512;

export interface Fed {
  keys: number;
  bytes: number;
}

export interface FeedOptions {
  readonly look: Look;
  readonly wanted: Wanted;
  readonly replace: boolean;
  /** After each part: keys restored so far, and the database. */
  readonly onPart: (keys: number, database: number) => void;
}

/** What one answer is for. */
type Sent = { readonly key: RdbKey; readonly bytes: number } | string;

const textOf = (sent: Sent): string =>
  typeof sent === 'string' ? sent : `the key ${keyText(sent.key.name)} of database ${sent.key.database}`;

/** Throws TARGET_EXISTS for what came into being meanwhile, and what the server answers, with how far it came. */
export async function feed(copy: AsyncIterable<Buffer>, wire: Wire, access: RedisAccess, options: FeedOptions): Promise<Fed> {
  const { look, wanted, replace, onPart } = options;
  const fed: Fed = { keys: 0, bytes: 0 };
  const out = packing();
  let sent: Sent[] = [];
  let database = 0;

  const send = (words: readonly (string | Buffer)[], what: string) => {
    out.add(command(words));
    sent.push(what);
  };
  const value = valueWriter(out, replace);
  let number = -1;
  const reader = rdbReader({
    library: (code) => {
      const name = libraryName(code);
      if (!look.libraries.has(name)) return;
      send(['FUNCTION', 'LOAD', ...(replace ? ['REPLACE'] : []), code], `the library ${name}`);
    },
    key: (key) => {
      number++;
      if (!wanted.matches(key.name) || isExpired(key, wanted.now)) return;
      if (key.database !== database) {
        database = key.database;
        send(['SELECT', String(database)], `database ${database}`);
      }
      value.begin(key, reader.version(), look.large.get(number));
    },
    value: (piece) => value.push(piece),
    valueEnd: () => {
      const done = value.end();
      if (done) sent.push(done);
    },
  });

  const answers = async () => {
    for (const one of sent) {
      try {
        await wire.line(answerMs);
      } catch (error) {
        throw halfWay(error, one, fed.keys, access);
      }
      if (typeof one === 'string') continue;
      fed.keys++;
      fed.bytes += one.bytes;
    }
    sent = [];
    onPart(fed.keys, database);
  };
  const flush = async () => {
    const pieces = out.take();
    try {
      if (pieces.length > 0) await wire.write(...pieces);
    } catch (error) {
      await answers(); // what the server said before it hung up says more
      throw halfWay(error, undefined, fed.keys, access);
    }
    if (sent.length >= underWay) await answers();
  };

  for await (const block of copy) {
    for (const piece of partsOf(block)) {
      reader.push(piece);
      await flush();
    }
    passed(block.length);
  }
  reader.end();
  await answers();
  return fed;
}

const passed = collector(8 << 20);

function halfWay(error: unknown, at: Sent | undefined, keys: number, access: RedisAccess): Error {
  const count = `${keys} keys were restored before it; run it again with --replace to end the work`;
  if (error instanceof ReplyError && error.message.startsWith('BUSYKEY')) {
    return failure('TARGET_EXISTS', { what: `${textOf(at!)} came into being meanwhile (${count}) and` }, { cause: error });
  }
  const what = `take over ${at ? textOf(at) : 'all keys'} (${count})`;
  const explained = explain(error, access, what, restorePurpose.rights);
  if (explained.code === 'DATABASE_FAILED') return explained;
  return new StillpointError({ ...explained.toProblem(), detail: `${explained.message}; ${count}` }, { cause: error });
}

interface ValueWriter {
  /** `size`: bytes of a value that is not to be gathered. */
  begin(key: RdbKey, version: number, size: number | undefined): void;
  push(piece: Buffer): void;
  /** Undefined where no value was begun. */
  end(): { readonly key: RdbKey; readonly bytes: number } | undefined;
}

/** RESTORE name expiry payload [REPLACE] [ABSTTL] [IDLETIME s | FREQ n], written piece by piece. */
function valueWriter(out: Packing, replace: boolean): ValueWriter {
  let current: { readonly key: RdbKey; readonly version: number; readonly crc: Crc64; readonly gathered: Buffer[] | undefined } | undefined;
  let bytes = 0;
  const head = ({ name, expiresAt = 0, type }: RdbKey, words: number, size: number) => {
    out.add(`*${4 + words}\r\n$7\r\nRESTORE\r\n$${name.length}\r\n`, name, '\r\n', word(String(expiresAt)));
    // Type, version and checksum are 1, 2 and 8 bytes.
    out.add(`$${size + 11}\r\n`, Buffer.of(type));
  };
  const optionsOf = ({ expiresAt, idle, frequency }: RdbKey): string[] => [
    ...(replace ? ['REPLACE'] : []),
    ...(expiresAt === undefined ? [] : ['ABSTTL']),
    ...(idle === undefined ? [] : ['IDLETIME', String(idle)]),
    ...(frequency === undefined ? [] : ['FREQ', String(frequency)]),
  ];
  return {
    begin: (key, version, size) => {
      const crc = crc64();
      crc.update(Buffer.of(key.type));
      current = { key, version, crc, gathered: size === undefined ? [] : undefined };
      bytes = 0;
      if (size !== undefined) head(key, optionsOf(key).length, size);
    },
    push: (piece) => {
      if (!current) return;
      bytes += piece.length;
      current.crc.update(piece);
      if (current.gathered) current.gathered.push(piece);
      else out.add(piece);
    },
    end: () => {
      if (!current) return undefined;
      const { key, version, crc, gathered } = current;
      current = undefined;
      const options = optionsOf(key);
      if (gathered) {
        head(key, options.length, bytes);
        out.add(...gathered);
      }
      const footer = Buffer.of(version & 0xff, version >> 8);
      crc.update(footer);
      out.add(footer, crc.digest(), '\r\n', ...options.map(word));
      return { key, bytes };
    },
  };
}

const word = (text: string): string => `$${text.length}\r\n${text}\r\n`;
