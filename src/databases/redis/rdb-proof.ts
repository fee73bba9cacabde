// Is an RDB whole? Its parts are read as it comes, and its checksum is computed.
import { type Crc64, crc64 } from './crc64.ts';
import { type RdbEvents, rdbReader } from './rdb.ts';
import { UnknownRdb } from './rdb-bytes.ts';

export interface RdbProof {
  push(piece: Buffer): void;
  /** Throws an Error that says what is wrong with it. */
  end(): RdbFacts;
}

export interface RdbFacts {
  readonly version: number;
  readonly bytes: number;
  /** In hex, as it stands at its end; null where the server computes none (rdbchecksum no). */
  readonly checksum: string | null;
  /** Why its parts could not be told apart; the checksum alone proves it then. */
  readonly unknown?: string;
}

const checksumSize = 8;

export function rdbProof(events: RdbEvents): RdbProof {
  const reader = rdbReader(events);
  const seal = heldBack();
  let bytes = 0;
  let unknown: string | undefined;
  return {
    push: (piece) => {
      bytes += piece.length;
      seal.push(piece);
      if (unknown !== undefined) return;
      try {
        reader.push(piece);
      } catch (error) {
        if (!(error instanceof UnknownRdb)) throw error;
        unknown = error.message;
      }
    },
    end: () => {
      if (unknown === undefined) reader.end();
      const { computed, stored } = seal.end();
      const none = stored.every((byte) => byte === 0);
      if (!none && !computed.equals(stored)) throw new Error('its checksum is wrong');
      if (none && unknown !== undefined) throw new Error(`${unknown}, and it has no checksum: nothing can prove it whole`);
      const facts = { version: reader.version(), bytes, checksum: none ? null : Buffer.from(stored).reverse().toString('hex') };
      return unknown === undefined ? facts : { ...facts, unknown };
    },
  };
}

/** The checksum of all but the last eight bytes, and these. */
function heldBack(): { push(piece: Buffer): void; end(): { readonly computed: Buffer; readonly stored: Buffer } } {
  const sum: Crc64 = crc64();
  let tail = Buffer.alloc(0);
  return {
    push: (piece) => {
      if (piece.length >= checksumSize) {
        sum.update(tail);
        sum.update(piece.subarray(0, piece.length - checksumSize));
        tail = Buffer.from(piece.subarray(piece.length - checksumSize));
        return;
      }
      const both = Buffer.concat([tail, piece]);
      const cut = Math.max(0, both.length - checksumSize);
      sum.update(both.subarray(0, cut));
      tail = both.subarray(cut);
    },
    end: () => ({ computed: sum.digest(), stored: tail }),
  };
}
