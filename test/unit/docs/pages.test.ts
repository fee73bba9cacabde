// What a reader may follow or type: links between pages, names of files, commands and options.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { commandTree } from '../../../scripts/dev/command-reference.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })];
const textOf = (page: string) => readFileSync(join(root, page), 'utf8');
const blocksOf = (page: string) => [...textOf(page).matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);

/** Titles as addresses, the way GitHub makes them. */
const anchorsOf = (page: string) =>
  [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Checks the words of one command line against the tree; gives what is wrong with them. */
function fault(tree: Command, line: string): string | undefined {
  const words = line.replace(/'[^']*'|"[^"]*"/g, 'QUOTED').split(/\s+/);
  let command = tree;
  for (const word of words.slice(1)) {
    if (word === '|' || word === '>') break;
    const below = command.commands.find((one) => one.name() === word);
    if (below) command = below;
    else if (command.commands.length > 0 && !word.startsWith('-')) return `${command.name()} has no command ${word}`;
    else if (/^--[a-z]/.test(word)) {
      const [option] = word.split('=');
      if (option !== '--help' && !command.options.some(({ long }) => long === option)) return `${command.name()} has no option ${option}`;
    }
  }
  return command.commands.length > 0 ? `${command.name()} alone is no command` : undefined;
}

describe.each(pages)('%s', (page) => {
  it('house: links lead somewhere', () => {
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const path = file === '' ? page : join(dirname(page), file);
      expect(existsSync(join(root, path)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(path), target).toContain(anchor);
    }
  });

  it('house: files of the project that it names are there', () => {
    const named = [...textOf(page).matchAll(/`((?:src|test|scripts|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('house: commands that it prints exist, with their options', async () => {
    const tree = await commandTree();
    const lines = blocksOf(page).flatMap((block) => block.split('\n'));
    const ours = lines.map((line) => line.replace(/^(scripts\/)?agentcli\b/, 'agentcli')).filter((line) => line.startsWith('agentcli '));
    expect(ours.map((line) => fault(tree, line)).filter((wrong) => wrong !== undefined)).toEqual([]);
    const scripts = lines.flatMap((line) => /^\.?\/?(scripts\/[\w./-]+)/.exec(line)?.[1] ?? []);
    expect(scripts.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('the pages', () => {
  it('house: a wrong command would be found', async () => {
    const tree = await commandTree();
    expect(fault(tree, 'agentcli pool list --state online')).toBeUndefined();
    expect(fault(tree, 'agentcli pool lists')).toContain('lists');
    expect(fault(tree, "agentcli backup find '--x' --nonsense")).toContain('--nonsense');
    expect(fault(tree, 'agentcli pool')).toContain('alone');
  });

  it('house: each decision is short and has its number', () => {
    const decisions = globSync('docs/decisions/*.md', { cwd: root }).toSorted();
    expect(decisions.length).toBeGreaterThanOrEqual(12);
    decisions.forEach((page, i) => {
      expect(page).toMatch(new RegExp(`/${String(i + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      expect(textOf(page)).toMatch(new RegExp(`^# ${i + 1}\\. `));
      expect(textOf(page).split('\n').length - 1, page).toBeLessThanOrEqual(40);
    });
  });

  it('house: the README leads to every page', () => {
    const readme = textOf('README.md');
    for (const page of globSync('docs/*.md', { cwd: root })) expect(readme).toContain(`(${page})`);
  });
});
