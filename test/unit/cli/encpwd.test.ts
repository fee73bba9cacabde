// agentcli encpwd as a person and a script use it; the agent need not run, nor ever have run.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSealer } from '../../../src/config/secrets.ts';

const program = fileURLToPath(new URL('../../../scripts/agentcli', import.meta.url));
const secret = ' canary päss=w"ord ';
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'encpwd-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const open = (sealed: string, at = home) => openSealer(join(at, 'conf/installation.key')).open('script/password', sealed.trim());

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function finish(child: ChildProcess): Promise<Ran> {
  const text = { out: '', err: '' };
  child.stdout!.setEncoding('utf8').on('data', (part: string) => (text.out += part));
  child.stderr!.setEncoding('utf8').on('data', (part: string) => (text.err += part));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...text })));
}

const environment = () => ({ PATH: process.env['PATH'], AGENT_HOME: home });

function encpwd(words: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(program, ['encpwd', ...words], { env: environment(), stdio: 'pipe' });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return finish(child);
}

/** On a pseudo terminal; each answer is typed when its question stands there. */
function onTerminal(answers: readonly string[]): Promise<Ran> {
  const child = spawn('script', ['-qec', `'${program}' encpwd`, '/dev/null'], { env: { ...environment(), TERM: 'xterm' }, stdio: 'pipe' });
  const questions = ['Enter password:', 'Enter it again:'];
  let seen = '';
  let at = 0;
  child.stdout.on('data', (part: Buffer) => {
    seen += part.toString();
    if (!questions[at] || !seen.includes(questions[at]!)) return;
    child.stdin.write(`${answers[at++]}\r`);
  });
  return finish(child).then(({ code, out, err }) => ({ code, out: stripVTControlCharacters(out), err }));
}

describe('A12 agentcli encpwd', () => {
  it('A12 encrypts a line of standard input; only this installation opens it', async () => {
    const { code, out, err } = await encpwd([], `${secret}\nanother line\n`);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[A-Za-z0-9+/=]+\n$/);
    expect(open(out)).toBe(secret);
    expect(statSync(join(home, 'conf/installation.key')).mode & 0o777).toBe(0o600);
    const other = mkdtempSync(join(tmpdir(), 'encpwd-'));
    try {
      writeFileSync(join(other, 'key'), Buffer.alloc(32, 7), { mode: 0o600 });
      expect(() => openSealer(join(other, 'key')).open('script/password', out)).toThrow(/cannot be opened/);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it('A12 gives another ciphertext each time, and JSON where that is wanted', async () => {
    const file = join(home, 'pw');
    writeFileSync(file, `${secret}\r\nrest`);
    const [first, second] = [await encpwd(['--password-file', file]), await encpwd(['--password-file', file, '--json'])];
    const { encrypted } = JSON.parse(second.out) as { encrypted: string };
    expect(encrypted).not.toBe(first.out.trim());
    expect([open(first.out), open(encrypted)]).toEqual([secret, secret]);
  });

  it('A12 asks twice on a terminal and shows nothing of what is typed', async () => {
    const { code, out } = await onTerminal(['pass word 1', 'pass word 1']);
    expect(code).toBe(0);
    const lines = out.trim().split(/\r?\n/);
    expect(open(lines.at(-1)!)).toBe('pass word 1');
    expect(out).not.toContain('pass word');
    expect(out).not.toContain('*');
  });

  it('A12 refuses two that differ, an empty one and a missing file, and tells none of them', async () => {
    const differ = await onTerminal(['canary-one', 'canary-two']);
    expect(differ.code).toBe(2);
    expect(differ.out).toContain('error: the two passwords are not the same');
    expect(differ.out).not.toContain('canary');
    for (const input of ['', '\n']) {
      const { code, err, out } = await encpwd([], input);
      expect([code, out]).toEqual([2, '']);
      expect(err).toContain('error: the password is empty');
    }
    expect((await encpwd(['--password-file', join(home, 'none')])).err).toContain('does not exist');
  });
});
