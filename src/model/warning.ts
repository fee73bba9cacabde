/** A finding that does not stop a backup or restore but makes it end "with warnings". */
export interface Warning {
  /** What is concerned, printable. */
  readonly item: string;
  readonly detail: string;
}
