// The roles of a server, as pg_dumpall --globals-only writes them down.

/** A statement about a role. */
export interface RoleStatement {
  readonly kind: 'create' | 'change';
  /** Whom it changes: of a membership the member. */
  readonly role: string;
  readonly sql: string;
}

const name = '("(?:[^"]|"")+"|[^\\s";]+)';
const patterns = [
  { kind: 'create', pattern: new RegExp(`^CREATE ROLE ${name}$`) },
  { kind: 'change', pattern: new RegExp(`^ALTER ROLE ${name}\\s`) },
  { kind: 'change', pattern: new RegExp(`^COMMENT ON ROLE ${name}\\s`) },
  { kind: 'change', pattern: new RegExp(`^GRANT ${name.replace('(', '(?:')} TO ${name}(\\s|$)`) },
] as const;

/** Those about roles; tablespaces lie in folders of the old host, and rights to parameters are the server's own. */
export function roleStatements(script: string): readonly RoleStatement[] {
  return statementsOf(script).flatMap((sql) => {
    for (const { kind, pattern } of patterns) {
      const word = pattern.exec(sql)?.[1];
      if (word !== undefined) return [{ kind, role: word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word, sql }];
    }
    return [];
  });
}

/** Without their semicolons; comments between them are left out. A quoted text or name may hold anything. */
export function statementsOf(script: string): readonly string[] {
  // Within a text pg_dumpall doubles its quotes, in E'…' too, so a quote always ends one.
  const token = /--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*"|;|[^'";-]+|[\s\S]/g;
  const statements: string[] = [];
  let current = '';
  for (const [piece] of script.matchAll(token)) {
    if (piece.startsWith('--')) continue;
    if (piece !== ';') {
      current += piece;
      continue;
    }
    if (current.trim() !== '') statements.push(current.trim());
    current = '';
  }
  if (current.trim() !== '') statements.push(current.trim());
  return statements;
}
