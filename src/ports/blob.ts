// Blocks of data as all floors name them.

/** SHA-256 of a block's plain bytes, 64 lower-case hex digits. */
export type BlobId = string;

/** How a stream of bytes is cut into blocks. */
export type Chunking =
  /** Every block has `size` bytes, the last may be shorter. */
  | { readonly kind: 'fixed'; readonly size: number }
  /** Cut where the content says so: 512 KiB to 8 MiB, 1 MiB in the mean. */
  | { readonly kind: 'content' };
