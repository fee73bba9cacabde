// Statements and the files that hold them.

/** An identifier. */
export const quoteName = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** A literal, where backslashes escape. */
export const quoteText = (text: string): string =>
  `'${text.replace(/[\\']/g, '\\$&').replaceAll('\0', '\\0').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;

/** For the clients of MySQL and MariaDB, and for statementsOf(): the delimiter is one that no statement holds. */
export function script(statements: readonly string[]): string {
  let delimiter = ';;';
  while (statements.some((one) => one.includes(delimiter))) delimiter += ';';
  return `DELIMITER ${delimiter}\n${statements.map((one) => `${one}\n${delimiter}\n`).join('')}DELIMITER ;\n`;
}

/** The statements of a script(), as they were. */
export function statementsOf(text: string): readonly string[] {
  const end = text.indexOf('\n');
  const delimiter = text.slice('DELIMITER '.length, end);
  const body = text.slice(end + 1, text.lastIndexOf('DELIMITER ;'));
  return body.split(`\n${delimiter}\n`).slice(0, -1);
}
