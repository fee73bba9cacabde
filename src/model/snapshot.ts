// What snapshot providers and sources must agree on.

/**
 * Images live in a directory of this name at the top of a mounted file system; it belongs to us, and nobody else may look into it. Once made it
 * stays, empty, so that the times of the directory above change once and not with each backup. No backup of files takes it.
 */
export const imageDirectory = '.stillpoint-snapshots';
