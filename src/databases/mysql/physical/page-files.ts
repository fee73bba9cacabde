// How the files of a database are cut into blocks. Files of pages change in place, page by page: blocks that never move are stored again only
// where a page changed. (`.new` is a table of InnoDB that was made since the last checkpoint.) Everything else moves when it grows, and is cut where its content says so.
import type { Chunking } from '../../../ports/blob.ts';

/** Four pages of InnoDB's usual size. */
const pages: Chunking = { kind: 'fixed', size: 64 << 10 };
const content: Chunking = { kind: 'content' };

const pageFile = /^(ibdata\d*|undo_?\d+|.*\.(ibd|new|ibu|ibt|MAD|MAI|MYD|MYI))$/;
/** Less than one block as a rule. */
const smallFile = /(^(xtrabackup|mariadb_backup)_.*|^aria_log_control|\.(frm|opt|par|TRG|TRN|CSM|isl|sdi|cnf))$/;

export const chunkingOf = (name: string): Chunking => (pageFile.test(name) || smallFile.test(name) ? pages : content);
