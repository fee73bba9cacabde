import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { memoryBackend } from '../../../src/backends/memory.ts';
import { blobIndex, createSharedIndex } from '../../../src/repository/blob-index.ts';
import { copyFinder } from '../../../src/repository/copies.ts';
import { cipherOf, generateMasterKey } from '../../../src/repository/crypto.ts';
import { emptyPackTable, entriesOf, loadIndexFile } from '../../../src/repository/index-file.ts';
import { saveFile } from '../../../src/repository/unpacked.ts';

const id = (text: string) => createHash('sha256').update(text).digest('hex');
const blob = (text: string, offset: number, type: string = 'data') => ({ id: id(text), type, offset, length: 100 });

function emptyVault() {
  const backend = memoryBackend();
  const cipher = cipherOf(generateMasterKey());
  const index = blobIndex(createSharedIndex(16));
  const packs = emptyPackTable();
  const load = async (file: unknown): Promise<string> => {
    const name = await saveFile(backend, 'index', Buffer.from(JSON.stringify(file)), cipher, 2);
    await loadIndexFile(backend, name, cipher, index, packs);
    return name;
  };
  return { index, packs, load };
}

async function loaded(...files: unknown[]) {
  const { index, packs, load } = emptyVault();
  const names: string[] = [];
  for (const file of files) names.push(await load(file));
  return { index, packs, names };
}

describe('index files', () => {
  it('P7 blobs of a pack come in the order of their offsets, however they are listed', async () => {
    const { index, packs } = await loaded({ packs: [{ id: id('p'), blobs: [blob('b', 100), blob('c', 200), blob('a', 0)] }] });
    expect(entriesOf(packs, 0).map((entry) => index.location(entry).offset)).toEqual([0, 100, 200]);
  });

  it('P7 a pack that old restic split over two files is put together', async () => {
    const { index, packs, names } = await loaded(
      { packs: [{ id: id('p'), blobs: [blob('b', 100)] }] },
      { packs: [{ id: id('p'), blobs: [blob('a', 0), blob('b', 100)] }] },
    );
    expect(packs.names).toEqual([id('p')]);
    expect(entriesOf(packs, 0).map((entry) => index.idOf(entry).toString('hex'))).toEqual([id('a'), id('b')]);
    expect(index.find(Buffer.from(id('a'), 'hex'), false)).toBeGreaterThanOrEqual(0);
    expect(packs.indexOf[0]).toBe(names[0]);
    expect(packs.alsoIn.get(0)).toEqual([names[1]]);
  });

  it.each([
    { packs: [{ id: id('p'), blobs: [blob('a', 0), null] }] },
    { packs: [{ id: id('p'), blobs: [{ ...blob('a', 0), offset: -1 }] }] },
    { packs: [{ id: id('p'), blobs: [blob('a', 0, 'file')] }] },
    { packs: [{ id: '../config', blobs: [] }] },
    { packs: {} },
  ])('P7 a file of the wrong form is damaged, and nothing of it is taken (%#)', async (file) => {
    const { index, packs, load } = emptyVault();
    const sound = { id: id('q'), blobs: [blob('z', 0)] };
    const packsOf = Array.isArray(file.packs) ? [sound, ...file.packs] : file.packs;
    await expect(load({ packs: packsOf })).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
    expect(packs.names).toEqual([]);
    expect(index.count()).toBe(0);
  });

  it('P7 second copies of a blob are found, preferred and hidden', async () => {
    const { index } = await loaded({
      packs: [
        { id: id('p'), blobs: [blob('a', 0), blob('b', 100)] },
        { id: id('q'), blobs: [blob('a', 0)] },
        { id: id('r'), blobs: [blob('a', 0, 'tree')] },
      ],
    });
    const find = () => index.find(Buffer.from(id('a'), 'hex'), false);
    const copies = copyFinder(() => index);
    expect([...copies.all()]).toEqual([[0, [2]]]);
    expect(copies.others(1)).toEqual([]);
    expect(find()).toBe(0);
    index.prefer(2);
    expect(find()).toBe(2);
    index.hide(2);
    expect(find()).toBe(-1);
    expect(index.find(Buffer.from(id('a'), 'hex'), true)).toBe(3);
  });
});
