// Names of databases and tables as names of files: readable as they are, but for what a path cannot hold.

/** What the files of a database are called: `<object>.<suffix>.sql`. */
export const kinds = [
  'schema',
  'data',
  'sequence',
  'view',
  'triggers',
  'procedure',
  'function',
  'package',
  'package-body',
  'event',
] as const;

export type Kind = (typeof kinds)[number];

export interface FileOf {
  readonly kind: Kind;
  readonly name: string;
}

/** "/", control characters and what would hide or lead elsewhere become %XX; 64 characters stay under 255 bytes. */
export const encodeName = (name: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names may hold them
  name.replace(/[\x00-\x1f\x7f/%]|^\./g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

export const decodeName = (file: string): string =>
  file.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

export const fileOf = ({ name, kind }: FileOf): string => `${encodeName(name)}.${kind}.sql`;

/** Undefined for a name that fileOf never gives. */
export function fromFile(file: string): FileOf | undefined {
  const [, name, suffix] = /^(.+)\.([a-z-]+)\.sql$/s.exec(file) ?? [];
  const kind = kinds.find((one) => one === suffix);
  return name === undefined || kind === undefined ? undefined : { kind, name: decodeName(name) };
}
