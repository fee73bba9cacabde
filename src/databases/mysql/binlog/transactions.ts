// Where transactions begin and end in a log: it may be cut only between them.
import { type EventHead, eventType } from './events.ts';

export interface Transaction {
  /** Where its first event begins. */
  readonly start: number;
  /** `0-1-100`, `uuid:7`; undefined where the server gives none, or in a form that is not known here. */
  readonly gtid: string | undefined;
}

export interface Ended extends Transaction {
  readonly end: number;
  /** Seconds since the epoch: when its last statement began, its COMMIT in most cases. */
  readonly time: number;
}

export interface Tracker {
  /** The transaction that ends with this event. */
  see(head: EventHead): Ended | undefined;
  /** The one that has begun and not ended. */
  open(): Transaction | undefined;
}

/** `first`: MySQL says only with what follows whether it is one statement. */
type Form = 'statement' | 'first' | 'many';

/** What comes before the statement that it belongs to. */
const before: ReadonlySet<number> = new Set([
  eventType.intvar,
  eventType.rand,
  eventType.userVariable,
  eventType.beginLoad,
  eventType.tableMap,
  eventType.rowsQuery,
  eventType.mariaAnnotate,
]);
const standalone = 1;
const completesXa = 128;

export function trackTransactions(): Tracker {
  let open: Transaction | undefined;
  let form: Form = 'many';
  const begin = (head: EventHead, how: Form, gtid?: string) => {
    open = { start: head.start, gtid };
    form = how;
    return undefined;
  };
  const end = (head: EventHead): Ended => {
    const ended = { ...(open ?? { start: head.start, gtid: undefined }), end: head.end, time: head.time };
    open = undefined;
    return ended;
  };
  const query = (head: EventHead): Ended | undefined => {
    const text = statementOf(head);
    const begins = /^(BEGIN|XA START\b.*)$/is.test(text) || (form === 'first' && startsWithTable(head));
    if (open === undefined) return begins ? begin(head, 'many') : end(head);
    if (form === 'statement') return end(head);
    if (form === 'first' && !begins) return end(head);
    form = 'many';
    return /^(COMMIT|ROLLBACK|XA (COMMIT|ROLLBACK)\b.*)$/is.test(text) ? end(head) : undefined;
  };
  return {
    open: () => open,
    see: (head) => {
      switch (head.type) {
        case eventType.mariaGtid: {
          const whole = (head.body[12]! & (standalone | completesXa)) !== 0;
          return begin(head, whole ? 'statement' : 'many', mariaGtid(head));
        }
        case eventType.gtid:
          return begin(head, 'first', mysqlGtid(head));
        case eventType.anonymousGtid:
        case eventType.taggedGtid:
          return begin(head, 'first');
        case eventType.query:
        case eventType.mariaCompressedQuery:
          return query(head);
        case eventType.xid:
        case eventType.xaPrepare:
        case eventType.payload:
          return end(head);
        case eventType.rotate:
        case eventType.stop:
          // The server died before it wrote the end; it rolled back what this was.
          open = undefined;
          return undefined;
        default:
          return open !== undefined && form === 'statement' && !before.has(head.type) ? end(head) : undefined;
      }
    },
  };
}

const mariaGtid = ({ body, serverId }: EventHead): string => `${body.readUInt32LE(8)}-${serverId}-${body.readBigUInt64LE(0)}`;

function mysqlGtid({ body }: EventHead): string {
  const hex = body.toString('hex', 1, 17);
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return `${uuid}:${body.readBigInt64LE(17)}`;
}

/** The text of a short statement; empty for a long or compressed one. */
function statementOf({ type, body }: EventHead): string {
  if (type !== eventType.query || body.length < 13) return '';
  const at = 13 + body.readUInt16LE(11) + body[8]! + 1;
  return body.length - at > 1024 ? '' : body.toString('latin1', at).trim();
}

/** MySQL since 8.0.21: CREATE TABLE … SELECT goes on with its rows. */
const startsWithTable = ({ body }: EventHead): boolean => body.toString('latin1', Math.max(0, body.length - 17)) === 'START TRANSACTION';
