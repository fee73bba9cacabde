import { readFileSync } from 'node:fs';

/** The product's version: package.json beside src, or beside the bundled program. */
export const version: string = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;
