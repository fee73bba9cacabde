// Names and texts within statements and connection strings.

/** A name as SQL has it, whatever it holds. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text as SQL has it, whatever standard_conforming_strings says. */
export function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** For the option -d: a bare name with a `=` in it would be taken for a connection string itself. */
export const connectionTo = (database: string): string => `dbname='${database.replace(/['\\]/g, '\\$&')}'`;

/** A database's name as the name of a file. */
export const fileNameOf = (name: string): string =>
  name.replace(/[%/\p{Cc}]/gu, (one) =>
    [...Buffer.from(one)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
