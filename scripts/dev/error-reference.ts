// Writes docs/errors.md from src/base/error-codes.ts. A test fails while the page is out of date.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ErrorEntry, errorCodes, exits } from '../../src/base/error-codes.ts';

export const page = fileURLToPath(new URL('../../docs/errors.md', import.meta.url));

const introduction = `# Errors

An error has a stable code, says what failed on which thing, and what to do next. \`agentcli\` prints the message and the hint on standard
error and ends with the exit code; with \`--json\` it prints \`{"code","detail","hint","retry","exit"}\` there, on one line. The RPC answers
with the same as \`application/problem+json\`, and tasks keep it (\`agentcli task show\`).

Words in braces are filled in. *Retry* says whether the same request may succeed if nothing is changed: \`never\`, \`later\` (the trouble may
pass), or \`now\` (run it again at once).

This page is made by \`scripts/dev/node scripts/dev/error-reference.ts\` from \`src/base/error-codes.ts\`; edit that file.
`;

/** A message or hint as the cell of a table: no pipe ends it, no <word> is taken for HTML. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const row = ([code, { message, hint, exit, retry }]: [string, ErrorEntry]): string =>
  `| \`${code}\` | ${cell(message)} | ${cell(hint)} | ${exit} | ${retry} |`;

/** Codes by their first word, in the order of the table. */
const areaOf = (code: string): string => code.slice(0, `${code}_`.indexOf('_'));

export function renderErrors(codes: Readonly<Record<string, ErrorEntry>> = errorCodes): string {
  const kinds = Object.entries(exits).map(([kind, exit]) => `| ${exit} | ${kind} |`);
  const areas = [...Map.groupBy(Object.entries(codes), ([code]) => areaOf(code)).values()];
  const rows = areas.flatMap((area) => area.map(row));
  return [
    introduction,
    '| code | message | hint | exit | retry |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    '## Exit codes',
    '',
    'The numbers by kind of error; what each means for the command line is in [command-line.md](command-line.md#errors-and-exit-codes).',
    '',
    '| exit | kind |',
    '|---|---|',
    ...kinds,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, renderErrors());
