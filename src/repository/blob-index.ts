// Where every blob lies, in memory that all threads share: at most 64 bytes a blob.
//
// entries: 12 words each: id (8), pack number | type | mark, offset, length, plain length. Only ever appended to.
// slots: open-addressing hash tables of entry numbers + 1, a chain of segments each twice as large as the one before, so that growing
// never moves anything under a reader. Readers take no lock; writers take the mutex. A slot is stored (atomically) after its entry.

const entryWords = 12;
const headerWords = 128;
const [mutexWord, countWord, segmentsWord] = [0, 1, 2];
const segmentsBase = 4;
const maxEntriesBytes = 4 * 2 ** 30;
const maxSlotsBytes = 2 * 2 ** 30;
const fillLimit = 0.75;

const treeBit = 0x8000_0000;
/** Set by whoever relied on the blob: the full backup verifies exactly these, prune keeps them. */
const markBit = 0x4000_0000;
const packMask = 0x3fff_ffff;
/** Pack number of a blob that is on its way. */
export const pendingPack = packMask;

export interface SharedIndex {
  readonly entries: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

export interface BlobLocation {
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
  readonly plainLength: number;
}

/** A fresh index with room for `expected` blobs before it first grows. */
export function createSharedIndex(expected: number): SharedIndex {
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(4096, expected / fillLimit)));
  const entries = new SharedArrayBuffer(Math.max(4096, expected) * entryWords * 4, { maxByteLength: maxEntriesBytes });
  const slots = new SharedArrayBuffer((headerWords + capacity) * 4, { maxByteLength: maxSlotsBytes });
  const header = new Int32Array(slots);
  header[segmentsWord] = 1;
  header[segmentsBase] = headerWords;
  header[segmentsBase + 1] = capacity;
  return { entries, slots };
}

export type BlobIndex = ReturnType<typeof blobIndex>;

export function blobIndex(shared: SharedIndex) {
  // Views of a fixed length are several times faster than ones that follow the buffer's; they are made anew when another thread made it grow.
  let entries = new Uint32Array(shared.entries, 0, shared.entries.byteLength >> 2);
  let slots = new Int32Array(shared.slots, 0, shared.slots.byteLength >> 2);
  const follow = () => {
    if (entries.byteLength !== shared.entries.byteLength) entries = new Uint32Array(shared.entries, 0, shared.entries.byteLength >> 2);
    if (slots.byteLength !== shared.slots.byteLength) slots = new Int32Array(shared.slots, 0, shared.slots.byteLength >> 2);
  };
  const key = new Uint32Array(8);
  const keyBytes = Buffer.from(key.buffer);

  /** First word of an entry, in a view that reaches it. */
  const wordOf = (entry: number): number => {
    if ((entry + 1) * entryWords > entries.length) follow();
    return entry * entryWords;
  };

  const lock = () => {
    while (Atomics.compareExchange(slots, mutexWord, 0, 1) !== 0) Atomics.wait(slots, mutexWord, 1, 1);
  };
  const unlock = () => {
    Atomics.store(slots, mutexWord, 0);
    Atomics.notify(slots, mutexWord, 1);
  };
  const count = () => Atomics.load(slots, countWord);

  const matches = (entry: number, tree: boolean): boolean => {
    const at = wordOf(entry);
    const own = entries;
    for (let i = 0; i < 8; i++) if (own[at + i] !== key[i]) return false;
    return own[at + 8]! >= treeBit === tree;
  };

  /** Entry number of the id in `key`, or -1. */
  const findKey = (tree: boolean): number => {
    // The number first: whoever adds a segment grows the buffer before it counts it, so a view made now reaches every segment counted.
    const segments = Atomics.load(slots, segmentsWord);
    follow();
    for (let s = segments - 1; s >= 0; s--) {
      const base = slots[segmentsBase + 2 * s]!;
      const mask = slots[segmentsBase + 2 * s + 1]! - 1;
      for (let probe = key[0]! & mask; ; probe = (probe + 1) & mask) {
        const slot = Atomics.load(slots, base + probe);
        if (slot === 0) break;
        if (slot > 0 && matches(slot - 1, tree)) return slot - 1;
      }
    }
    return -1;
  };

  const setKey = (id: Uint8Array) => keyBytes.set(id);

  /** The last segment, or a new one twice as large once it is full enough. */
  const openSegment = (): number => {
    const segments = slots[segmentsWord]!;
    let total = 0;
    for (let s = 0; s < segments; s++) total += slots[segmentsBase + 2 * s + 1]!;
    if (count() < total * fillLimit) return segments - 1;
    const base = slots[segmentsBase + 2 * (segments - 1)]! + slots[segmentsBase + 2 * (segments - 1) + 1]!;
    const capacity = slots[segmentsBase + 2 * (segments - 1) + 1]! * 2;
    shared.slots.grow((base + capacity) * 4);
    follow();
    slots[segmentsBase + 2 * segments] = base;
    slots[segmentsBase + 2 * segments + 1] = capacity;
    Atomics.store(slots, segmentsWord, segments + 1);
    return segments;
  };

  const append = (tree: boolean, location: BlobLocation): number => {
    const entry = count();
    const at = entry * entryWords;
    if ((at + entryWords) * 4 > shared.entries.byteLength)
      shared.entries.grow(Math.min(maxEntriesBytes, Math.ceil((shared.entries.byteLength * 1.25) / 4096) * 4096));
    follow();
    entries.set(key, at);
    entries[at + 8] = (location.pack & packMask) + (tree ? treeBit : 0);
    entries[at + 9] = location.offset;
    entries[at + 10] = location.length;
    entries[at + 11] = location.plainLength;
    return entry;
  };

  const link = (entry: number) => {
    const segment = openSegment();
    const base = slots[segmentsBase + 2 * segment]!;
    const mask = slots[segmentsBase + 2 * segment + 1]! - 1;
    let probe = key[0]! & mask;
    while (slots[base + probe] !== 0) probe = (probe + 1) & mask;
    Atomics.store(slots, base + probe, entry + 1);
  };

  const setMark = (entry: number): void => {
    const word = wordOf(entry) + 8;
    Atomics.or(entries, word, markBit);
  };
  const clearMark = (entry: number): void => {
    const word = wordOf(entry) + 8;
    Atomics.and(entries, word, ~markBit >>> 0);
  };

  return {
    shared,
    /** Entries, duplicates included. */
    count,
    /** Entry number of a blob, or -1. */
    find: (id: Uint8Array, tree: boolean): number => {
      setKey(id);
      return findKey(tree);
    },
    /** Adds a blob that an index file lists; a second copy gets an entry but is not found by `find`. Returns the entry number. */
    add: (id: Uint8Array, tree: boolean, location: BlobLocation): number => {
      lock();
      try {
        setKey(id);
        const known = findKey(tree) >= 0;
        const entry = append(tree, location);
        if (!known) link(entry);
        Atomics.store(slots, countWord, entry + 1);
        return entry;
      } finally {
        unlock();
      }
    },
    /**
     * Makes a new blob the caller's to store. Returns its entry number, or -1 when it is known already or another thread has claimed it.
     */
    claim: (id: Uint8Array, tree: boolean, mark: boolean): number => {
      setKey(id);
      let entry = findKey(tree);
      if (entry < 0) {
        lock();
        try {
          entry = findKey(tree);
          if (entry < 0) {
            entry = append(tree, { pack: pendingPack, offset: 0, length: 0, plainLength: 0 });
            link(entry);
            Atomics.store(slots, countWord, entry + 1);
            return entry;
          }
        } finally {
          unlock();
        }
      }
      if (mark) setMark(entry);
      return -1;
    },
    /** Fills in where a claimed blob came to lie. */
    place: (entry: number, location: BlobLocation) => {
      const at = wordOf(entry);
      entries[at + 9] = location.offset;
      entries[at + 10] = location.length;
      entries[at + 11] = location.plainLength;
      Atomics.store(entries, at + 8, ((entries[at + 8]! & ~packMask) >>> 0) + (location.pack & packMask));
    },
    location: (entry: number): BlobLocation => {
      const at = wordOf(entry);
      return { pack: entries[at + 8]! & packMask, offset: entries[at + 9]!, length: entries[at + 10]!, plainLength: entries[at + 11]! };
    },
    idOf: (entry: number): Buffer => {
      const id = Buffer.alloc(32);
      const at = wordOf(entry);
      for (let i = 0; i < 8; i++) id.writeUInt32LE(entries[at + i]!, i * 4);
      return id;
    },
    /** Bytes of all envelopes. */
    totalLength: (): number => {
      let sum = 0;
      follow();
      for (let entry = count() - 1; entry >= 0; entry--) sum += entries[entry * entryWords + 10]!;
      return sum;
    },
    isTree: (entry: number): boolean => entries[wordOf(entry) + 8]! >= treeBit,
    mark: setMark,
    isMarked: (entry: number): boolean => (entries[wordOf(entry) + 8]! & markBit) !== 0,
    unmark: clearMark,
    clearMarks: () => {
      for (let entry = 0; entry < count(); entry++) clearMark(entry);
    },
    /** Makes `find` forget a blob (its id is overwritten), so that the next backup stores it again. */
    hide: (entry: number) => {
      const at = wordOf(entry);
      entries.fill(0, at, at + 8);
    },
    /** Makes `find` give this copy of a blob from now on; the one that it gave is hidden. */
    prefer: (entry: number) => {
      lock();
      try {
        const at = wordOf(entry);
        key.set(entries.subarray(at, at + 8));
        const known = findKey(entries[at + 8]! >= treeBit);
        if (known === entry) return;
        if (known >= 0) entries.fill(0, known * entryWords, known * entryWords + 8);
        link(entry);
      } finally {
        unlock();
      }
    },
  };
}
