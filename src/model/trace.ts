// What the audit trail keeps of one operation (guide 11).

/** Who did what to what. */
export interface Deed {
  readonly actor: string;
  /** Where from: an address, or `local`. */
  readonly address: string;
  /** The guide's trace name: createPolicy … */
  readonly trace: string;
  readonly resourceType: string;
  /** As the caller typed it where the answer does not tell. */
  readonly resourceId: string;
  readonly resourceName: string;
  readonly result: 'ok' | 'failed';
}

export interface Trace extends Deed {
  /** Of the error, where it failed. */
  readonly code?: string;
  readonly detail?: string;
}
