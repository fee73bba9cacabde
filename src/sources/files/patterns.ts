// Patterns that leave entries out, as restic's --exclude has them (restic: internal/filter).
//
// A pattern is matched component by component: `*` and `?` and `[a-z]` within one, `**` for any number of them (none too). One that begins
// with "/" starts at the root, any other at any depth; what matches a directory covers all below it; a trailing "/" means nothing. Of several
// patterns the last that matches counts; one with "!" in front brings back (but nothing below a directory that is left out is looked at).
import { readFile } from 'node:fs/promises';
import { failure } from '../../base/errors.ts';

/** Tells whether an absolute path, as text, is left out. */
export type Excludes = (path: string) => boolean;

interface Rule {
  readonly negated: boolean;
  readonly expression: RegExp;
}

/** Undefined where there are no patterns at all. Throws USAGE for a malformed one. */
export function compileExcludes(patterns: readonly string[]): Excludes | undefined {
  const rules = grouped(patterns);
  if (rules.length === 0) return undefined;
  return (path) => {
    let excluded = false;
    for (const { negated, expression } of rules) {
      if (excluded === negated && expression.test(path)) excluded = !negated;
    }
    return excluded;
  };
}

/** Neighbours of the same kind become one expression: the order within them does not matter. */
function grouped(patterns: readonly string[]): Rule[] {
  const groups: { negated: boolean; sources: string[] }[] = [];
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    const source = expressionOf(negated ? pattern.slice(1) : pattern, pattern);
    const last = groups.at(-1);
    if (last?.negated === negated) last.sources.push(source);
    else groups.push({ negated, sources: [source] });
  }
  return groups.map(({ negated, sources }) => ({ negated, expression: new RegExp(`^(?:${sources.join('|')})(?:/|$)`, 'su') }));
}

function expressionOf(pattern: string, shown: string): string {
  const anchored = pattern.startsWith('/');
  const components = pattern.split('/').filter((component) => component !== '' && component !== '.');
  if (components.length === 0 && !anchored) throw failure('USAGE', { detail: `empty exclude pattern "${shown}"` });
  const body = components.map((component) => (component === '**' ? '(?:/[^/]+)*' : `/${componentExpression(component, shown)}`));
  return (anchored ? '' : '(?:/[^/]+)*?') + body.join('');
}

function componentExpression(component: string, shown: string): string {
  let source = '';
  const characters = [...component];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '\\') {
      at++;
      if (at === characters.length) throw malformed(shown);
      source += literal(characters[at]!);
    } else if (character === '[') {
      const { set, end } = characterSet(characters, at, shown);
      source += set;
      at = end;
    } else source += literal(character);
  }
  return source;
}

/** A set that opens at `start`; `^` or `!` turns it round. Returns where its "]" is. */
function characterSet(characters: readonly string[], start: number, shown: string): { readonly set: string; readonly end: number } {
  let at = start + 1;
  const negated = characters[at] === '^' || characters[at] === '!';
  if (negated) at++;
  const next = (): string => {
    if (characters[at] === '\\') at++;
    const character = characters[at++];
    if (character === undefined) throw malformed(shown);
    return character;
  };
  let ranges = '';
  do {
    const low = next();
    let high = low;
    if (characters[at] === '-' && characters[at + 1] !== ']') {
      at++;
      high = next();
    }
    if (high < low) throw malformed(shown);
    ranges += low === high ? setLiteral(low) : `${setLiteral(low)}-${setLiteral(high)}`;
    if (at >= characters.length) throw malformed(shown);
  } while (characters[at] !== ']');
  return { set: negated ? `[^/${ranges}]` : `[${ranges}]`, end: at };
}

function literal(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function setLiteral(character: string): string {
  return /[\^\\[\]-]/.test(character) ? `\\${character}` : character;
}

function malformed(pattern: string): Error {
  return failure('USAGE', { detail: `malformed exclude pattern "${pattern}"` });
}

/** The patterns of files with one a line; blank lines and lines that begin with "#" are skipped. Throws SOURCE_UNREADABLE. */
export async function readExcludeFiles(paths: readonly string[]): Promise<string[]> {
  const patterns: string[] = [];
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((cause: Error) => {
      throw failure('SOURCE_UNREADABLE', { path, detail: cause.message }, { cause });
    });
    for (const line of text.replace(/^\uFEFF/, '').split('\n')) {
      const pattern = line.trim();
      if (pattern !== '' && !pattern.startsWith('#')) patterns.push(pattern);
    }
  }
  return patterns;
}
