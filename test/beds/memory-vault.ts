// A vault in memory for tests of sources and targets: saves what a source lists, reads it back as a repository would.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { failure } from '../../src/base/errors.ts';
import { close } from '../../src/base/libc.ts';
import { applyMeta, createFile } from '../../src/base/libc-meta.ts';
import type { Node } from '../../src/model/node.ts';
import type { Entry, Source } from '../../src/ports/source.ts';
import type { ContentReader, FileToWrite, FileWritten } from '../../src/ports/target.ts';

const blockSize = 64 * 1024;

export interface MemoryVault {
  readonly trees: Map<string, Node[]>;
  readonly blobs: Map<string, Buffer>;
  /** Returns the root's tree id. */
  save(source: Source): Promise<string>;
  readonly reader: ContentReader;
  /** Called before each file is written; may throw. */
  beforeWrite: (file: FileToWrite) => void;
  /** Bytes written, names created. */
  readonly created: string[];
}

export function memoryVault(): MemoryVault {
  const trees = new Map<string, Node[]>();
  const blobs = new Map<string, Buffer>();
  let treeCount = 0;

  async function saveTree(entries: AsyncIterable<Entry>): Promise<string> {
    const nodes: Node[] = [];
    for await (const entry of entries) {
      if (entry.kind === 'dir') nodes.push({ ...entry.meta, subtree: await saveTree(entry.list()) });
      else if (entry.kind === 'file') nodes.push({ ...entry.meta, content: await saveContent(entry) });
      else nodes.push(entry.meta);
    }
    const id = `tree-${treeCount++}`;
    trees.set(id, nodes);
    return id;
  }

  function keep(block: Buffer): string {
    const id = createHash('sha256').update(block).digest('hex');
    blobs.set(id, block);
    return id;
  }

  async function saveContent({ content }: Extract<Entry, { kind: 'file' }>): Promise<string[]> {
    const ids: string[] = [];
    if (content.kind === 'stream') {
      for await (const part of content.open()) ids.push(keep(Buffer.from(part)));
      return ids;
    }
    if (content.kind === 'stored') throw new Error('this bed stores nothing beforehand');
    const fd = openSync(content.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (let position = content.offset; ; ) {
        const block = Buffer.alloc(blockSize);
        const length = readSync(fd, block, 0, blockSize, position);
        if (length === 0) return ids;
        ids.push(keep(block.subarray(0, length)));
        position += length;
      }
    } finally {
      closeSync(fd);
    }
  }

  function block(id: string): Buffer {
    const found = blobs.get(id);
    if (found === undefined) throw failure('REPO_BLOB_MISSING', { id });
    return found;
  }

  function write(file: FileToWrite): Omit<FileWritten, 'tag'> {
    vault.beforeWrite(file);
    const fd = file.open.kind === 'create' ? createFile(file.open.dirfd, file.open.name) : file.open.fd;
    try {
      if (file.open.kind === 'create') vault.created.push(file.open.name.toString());
      let written = 0;
      let position = file.open.kind === 'fd' ? file.open.base : 0;
      for (const id of file.content) {
        const wanted = block(id);
        const there = Buffer.alloc(wanted.length);
        const got = file.mode === 'compare' ? readSync(fd, there, 0, there.length, position) : there.length;
        if (got < wanted.length || !there.equals(wanted)) written += writeSync(fd, wanted, 0, wanted.length, position);
        position += wanted.length;
      }
      if (file.open.kind === 'create' && fstatSync(fd).size < file.size) ftruncateSync(fd, file.size);
      return { written, warnings: file.meta === undefined ? [] : applyMeta(fd, file.meta) };
    } finally {
      if (file.open.kind === 'create') close(fd);
    }
  }

  const vault: MemoryVault = {
    trees,
    blobs,
    save: async (source) => {
      const root = await saveTree(source.list());
      await source.finish();
      await source.close();
      return root;
    },
    beforeWrite: () => {},
    created: [],
    reader: {
      async *tree(id) {
        const nodes = trees.get(id);
        if (nodes === undefined) throw failure('REPO_BLOB_MISSING', { id });
        yield* nodes;
      },
      async *stream(content) {
        for (const id of content) yield block(id);
      },
      blobSize: (id) => block(id).length,
      async writeFiles(files, onDone) {
        // As the repository does, files wait in batches: what is handed over is not written at once.
        let batch: FileToWrite[] = [];
        const flush = () => {
          for (const file of batch.splice(0)) onDone({ tag: file.tag, ...attempt(file) });
        };
        for await (const file of files) {
          batch.push(file);
          if (batch.length >= 64) flush();
        }
        flush();
        batch = [];
      },
    },
  };

  function attempt(file: FileToWrite): Omit<FileWritten, 'tag'> {
    try {
      return write(file);
    } catch (error) {
      return { written: 0, warnings: [], error: error as Error };
    }
  }

  return vault;
}
