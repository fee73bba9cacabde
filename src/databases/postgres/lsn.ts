// Places in PostgreSQL's write-ahead log, and the segments in which it lies.

/** `16/B374D848` as a number of bytes. Undefined for what is none. */
export function lsnOf(text: string): bigint | undefined {
  const [, high, low] = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text) ?? [];
  return high === undefined || low === undefined ? undefined : (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export const lsnText = (lsn: bigint): string => `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();

/** The name of the segment that begins at `lsn` or holds it. `size`: bytes of a segment. */
export function segmentName(timeline: number, lsn: bigint, size: bigint): string {
  const number = lsn / size;
  const each = 0x1_0000_0000n / size;
  const hex = (value: bigint) => value.toString(16).toUpperCase().padStart(8, '0');
  return hex(BigInt(timeline)) + hex(number / each) + hex(number % each);
}
