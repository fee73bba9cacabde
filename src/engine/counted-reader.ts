import type { Repository, VaultReader } from '../repository/repository.ts';

/** A reader that tells every byte it gives to a target: those that it writes into files, and those that it hands out as a stream. */
export function countedReader(vault: Repository, signal: AbortSignal, onBytes: (bytes: number) => void): VaultReader {
  const reader = vault.reader(signal, onBytes);
  return {
    ...reader,
    stream: async function* (content) {
      for await (const piece of reader.stream(content)) {
        onBytes(piece.length);
        yield piece;
      }
    },
  };
}
