// Which scripts are run, in which order, and which never.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StillpointError } from '../../../src/base/errors.ts';
import { closePairs, findPairs } from '../../../src/quiescers/scripts/pairs.ts';
import { layOutScripts, scriptFolderOf } from '../../../src/quiescers/scripts/script-folder.ts';
import { program, root } from '../../beds/script-home.ts';

const nobody = 65534;
const owner = process.getuid?.() ?? 0;
let top: string;
let folder: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'pairs-'));
  folder = join(top, 'bin', 'ebk_user');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const script = (file: string) => program(join(folder, file), '#!/bin/sh\nexit 0\n');
const pair = (name: string) => [`${name}_freeze.sh`, `${name}_unfreeze.sh`].forEach(script);

function names(): string[] {
  const pairs = findPairs(folder, owner);
  closePairs(pairs);
  return pairs.map(({ name }) => name);
}

function refusal(): StillpointError {
  try {
    names();
  } catch (error) {
    if (error instanceof StillpointError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function unsafe(detail: string | RegExp): void {
  const error = refusal();
  expect(error.code).toBe('SCRIPT_UNSAFE');
  expect(error.message).toMatch(detail);
}

describe('A1 pairs of freeze scripts', () => {
  it('A1 are found in the bytewise order of their names, anew each time; other files are left alone', () => {
    for (const name of ['b', 'a', 'B', 'a-1', 'a1']) pair(name);
    for (const file of ['README', 'template_freeze.sh.example', 'helper.sh', '_freeze.txt']) writeFileSync(join(folder, file), 'x');
    expect(names()).toEqual(['B', 'a', 'a-1', 'a1', 'b']);
    pair('aa');
    expect(names()).toEqual(['B', 'a', 'a-1', 'a1', 'aa', 'b']);
    rmSync(folder, { recursive: true });
    expect(names()).toEqual([]);
  });

  it('A1 need both halves: the missing one is named', () => {
    pair('a');
    script('b_freeze.sh');
    expect(refusal()).toMatchObject({ code: 'SCRIPT_PAIR', message: expect.stringContaining(`partner ${join(folder, 'b_unfreeze.sh')}`) });
    rmSync(join(folder, 'b_freeze.sh'));
    script('b_unfreeze.sh');
    expect(refusal()).toMatchObject({ code: 'SCRIPT_PAIR', message: expect.stringContaining(`partner ${join(folder, 'b_freeze.sh')}`) });
  });

  it('A1 are not run when somebody else owns either half', () => {
    for (const file of ['a_freeze.sh', 'a_unfreeze.sh']) {
      pair('a');
      chownSync(join(folder, file), nobody, nobody);
      unsafe(new RegExp(`${file} is not run: it is owned by uid 65534, not by root`));
      chownSync(join(folder, file), owner, owner);
    }
  });

  it('A1 belong to whoever runs the agent, or to root', () => {
    pair('a');
    pair('b');
    for (const file of ['b_freeze.sh', 'b_unfreeze.sh']) chownSync(join(folder, file), nobody, nobody);
    const pairs = findPairs(folder, nobody);
    closePairs(pairs);
    expect(pairs.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(() => findPairs(folder, 12345)).toThrow(/it is owned by uid 65534, not by uid 12345/);
  });

  it('A1 are not run when the group or everybody may write them', () => {
    pair('a');
    chmodSync(join(folder, 'a_freeze.sh'), 0o775);
    unsafe('it may be written by its group (mode 775)');
    chmodSync(join(folder, 'a_freeze.sh'), 0o757);
    unsafe(/it may be written by everybody/);
  });

  it('A1 are not run without a run bit, or as a symbolic link, a directory or a pipe', () => {
    pair('a');
    const path = join(folder, 'a_unfreeze.sh');
    chmodSync(path, 0o644);
    unsafe(/a_unfreeze.sh is not run: it has no run bit/);
    renameSync(path, join(folder, 'elsewhere'));
    chmodSync(join(folder, 'elsewhere'), 0o755);
    symlinkSync('elsewhere', path);
    unsafe(/it is a symbolic link/);
    rmSync(path);
    mkdirSync(path, { mode: 0o755 });
    unsafe(/it is no regular file/);
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', ['-m', '755', path]);
    unsafe(/it is no regular file/);
  });

  it('A1 are not run from a folder that others may write, or below one', () => {
    pair('a');
    for (const [directory, mode] of [
      [folder, 0o777],
      [folder, 0o1777],
      [join(top, 'bin'), 0o775],
      [top, 0o777],
    ] as const) {
      const before = lstatSync(directory).mode & 0o7777;
      chmodSync(directory, mode);
      unsafe(new RegExp(`the directory ${directory} may be written by`));
      chmodSync(directory, before);
    }
    chownSync(join(top, 'bin'), nobody, nobody);
    unsafe(new RegExp(`the directory ${join(top, 'bin')} is owned by uid 65534`));
    chownSync(join(top, 'bin'), owner, owner);
    expect(names()).toEqual(['a']);
  });

  it('A1 are found below a link that only root can have made, and not below any other', () => {
    pair('a');
    folder = join(top, 'link', 'ebk_user');
    symlinkSync(join(top, 'bin'), join(top, 'link'));
    expect(names()).toEqual(['a']);
    chmodSync(join(top, 'bin'), 0o775);
    unsafe(new RegExp(`the directory ${join(top, 'bin')} may be written by its group`));
    chmodSync(join(top, 'bin'), 0o755);
    lchownSync(join(top, 'link'), nobody, nobody);
    unsafe(/link \(a link to .*bin\) is owned by uid 65534/);
  });

  it('A1 are not run under names that could mean something else', () => {
    pair('a b');
    unsafe(/its name has other characters/);
  });

  it('A1 come with a checkout: the shipped ones are laid out once, and are safe', () => {
    const home = join(top, 'home');
    layOutScripts(home, join(root, 'scripts'));
    folder = scriptFolderOf(home);
    expect(names()).toEqual(['hana', 'mssql', 'mysql', 'postgres']);
    rmSync(join(folder, 'mysql_freeze.sh'));
    rmSync(join(folder, 'mysql_unfreeze.sh'));
    layOutScripts(home, join(root, 'scripts'));
    expect(names()).not.toContain('mysql');
  });
});
