import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { commandTree, leavesOf, page, renderPage } from '../../../scripts/dev/command-reference.ts';
import { completionRows, completionScript, shells } from '../../../src/cli/completion.ts';
import { nounIn } from '../../../src/cli/program.ts';
import { fullName } from '../../../src/cli/usage.ts';
import { examplesOf } from '../../../src/cli/verb.ts';

describe('M8 the tree of commands', () => {
  it('M8 has every command that the design names', async () => {
    const names = leavesOf(await commandTree()).map((leaf) => fullName(leaf).replace('agentcli ', ''));
    const wanted = [
      'status',
      ...['bind', 'list', 'show', 'update', 'unbind', 'probe'].map((verb) => `pool ${verb}`),
      ...[
        'create',
        'attach',
        'recover',
        'list',
        'show',
        'update',
        'expand',
        'check',
        'prune',
        'scan',
        'unlock',
        'recovery-key',
        'delete',
      ].map((verb) => `vault ${verb}`),
      ...['resources', 'associate', 'dissociate'].map((verb) => `vault ${verb}`),
      ...['create', 'list', 'show', 'update', 'delete', 'apply', 'remove', 'preview'].map((verb) => `policy ${verb}`),
      ...['set', 'show', 'remove'].map((verb) => `gateway ${verb}`),
      ...['list', 'show', 'ack', 'test', 'sink add', 'sink list', 'sink remove', 'rule add', 'rule list', 'rule remove'].map(
        (verb) => `alarm ${verb}`,
      ),
      'event list',
      ...['list', 'verify', 'status', 'on', 'off'].map((verb) => `audit ${verb}`),
      'metrics plan',
      'metrics vault',
      'quota',
      ...['list', 'add', 'remove'].map((verb) => `vault keys ${verb}`),
      ...['create', 'list', 'show', 'update', 'pause', 'resume', 'starts', 'delete'].map((verb) => `plan ${verb}`),
      ...['run', 'list', 'show', 'ls', 'find', 'diff', 'cat', 'restore', 'delete', 'undelete'].map((verb) => `backup ${verb}`),
      ...['list', 'show', 'wait', 'cancel', 'approve'].map((verb) => `task ${verb}`),
      ...['list', 'ls', 'find', 'diff', 'cat', 'restore'].map((verb) => `recover ${verb}`),
      'apply',
      'export',
      'encpwd',
      'freeze',
      'instance list',
      'instance remove',
      'completion',
    ];
    expect([...names].sort()).toEqual([...wanted].sort());
  });

  it('M8 gives every command a summary, --json, and examples that name it', async () => {
    for (const leaf of leavesOf(await commandTree())) {
      const name = fullName(leaf);
      expect(leaf.summary(), name).toMatch(/^\S.*[^.]$/);
      expect(
        leaf.options.some((option) => option.long === '--json'),
        name,
      ).toBe(true);
      for (const example of examplesOf(leaf)) expect(example, name).toMatch(new RegExp(`^${name} `.trimEnd()));
      if (name.split(' ').length > 2) expect(examplesOf(leaf).length, name).toBeGreaterThan(0);
    }
  });

  it('M8 uses only options that exist in its examples', async () => {
    for (const leaf of leavesOf(await commandTree())) {
      for (const example of examplesOf(leaf)) {
        const [own = ''] = example.split(' -- ');
        for (const [flag] of own.matchAll(/(?<=\s)-{1,2}[a-z][a-z-]*/g)) {
          const known = leaf.options.some((option) => option.long === flag || option.short === flag);
          expect(known, `${flag} in ${example}`).toBe(true);
        }
      }
    }
  });

  it('M8 never asks for a secret as an option’s value', async () => {
    for (const leaf of leavesOf(await commandTree()))
      for (const option of leaf.options)
        if (/password|secret|credential|key/.test(option.long ?? '') && (option.required || option.optional))
          expect(option.flags, fullName(leaf)).toMatch(/-file <file>$/);
  });

  it('M8 is what docs/command-line.md describes (scripts/dev/command-reference.ts writes it)', async () => {
    const text = readFileSync(page, 'utf8');
    expect(await renderPage(text)).toBe(text);
  });

  it('M8 finds the noun behind options', () => {
    expect(nounIn(['--json', 'backup', 'list'])).toBe('backup');
    expect(nounIn(['--version'])).toBeUndefined();
  });
});

describe('M8 completion', () => {
  it('M8 knows the verbs, options and fixed values of every command', async () => {
    const rows = new Map(completionRows(await commandTree()).map((row) => [row.words, row]));
    expect(rows.get('vault keys')?.candidates.map(({ word }) => word)).toEqual(['list', 'add', 'remove', '--help']);
    expect(rows.get('pool bind')?.choices).toContainEqual({ flag: '--type', values: ['local', 's3'] });
    expect(rows.get('pool bind')?.valued).toContain('--path');
    expect(rows.get('completion')?.candidates.map(({ word }) => word)).toEqual(expect.arrayContaining([...shells]));
  });

  it('M8 makes a bash script that bash accepts and that completes', async () => {
    const script = completionScript('bash', await commandTree());
    const syntax = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
    expect(syntax.stderr).toBe('');
    expect(syntax.status).toBe(0);
    const complete = (...words: string[]) => {
      const input = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_agentcli\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', { input, encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
    };
    expect(complete('agentcli', 'va')).toEqual(['vault']);
    expect(complete('agentcli', '--json', 'backup', 'r')).toEqual(['run', 'restore']);
    expect(complete('agentcli', 'vault', 'create', 'main', '--reco')).toEqual(['--recovery-key-file']);
    expect(complete('agentcli', 'pool', 'bind', 'x', '--type', '')).toEqual(['local', 's3']);
    expect(complete('agentcli', 'pool', 'bind', 'x', '--path', '/us')).toEqual(['/usr']);
  });

  it('M8 makes zsh and fish scripts with every command in them', async () => {
    const tree = await commandTree();
    for (const leaf of leavesOf(tree)) {
      const words = fullName(leaf).replace('agentcli ', '');
      expect(completionScript('zsh', tree)).toContain(`'${words}')`);
      expect(completionScript('fish', tree)).toContain(`__agentcli_at "${words}"`);
    }
  });
});
