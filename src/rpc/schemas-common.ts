// What several areas of the RPC share. Times are milliseconds since the epoch, sizes are bytes unless a name says otherwise.
import { type Static, type TProperties, type TSchema, Type } from 'typebox';

/** Rejects keys that the schema does not name, so that a misspelt option never passes silently. */
export const strict = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });

export const Reference = strict({
  id: Type.String({ minLength: 1, description: 'ID, a unique beginning of it (4 or more characters), or name' }),
});

const Page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'items a page; 100 if not given' })),
  cursor: Type.Optional(Type.String({ description: 'nextCursor of the page before' })),
};

const Dates = {
  from: Type.Optional(Type.String({ description: 'not before: ISO 8601 date or time, or ms since the epoch' })),
  to: Type.Optional(Type.String({ description: 'not after: ISO 8601 date (its whole day) or time, or ms since the epoch' })),
};

/** Filters of a list: each one narrows; `name` finds parts of names, `id` finds beginnings of IDs. */
export const listQuery = <P extends TProperties>(filters: P) =>
  strict({ id: Type.Optional(Type.String()), name: Type.Optional(Type.String()), ...Dates, ...Page, ...filters });

export const listOf = <T extends TSchema>(item: T) =>
  strict({
    items: Type.Array(item),
    total: Type.Integer({ description: 'items that match, on all pages' }),
    nextCursor: Type.Union([Type.String(), Type.Null()]),
  });

export interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly nextCursor: string | null;
}

export const Time = Type.Integer({ description: 'ms since the epoch' });
export const Removed = strict({ id: Type.String() });

export const ProblemDocument = Type.Object(
  {
    type: Type.String({ description: 'urn:stillpoint:error:<code>' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.String(),
    hint: Type.String(),
    retry: Type.Union([Type.Literal('never'), Type.Literal('later'), Type.Literal('now')]),
    exit: Type.Integer({ description: 'exit code of agentcli for this kind of error' }),
  },
  { description: 'application/problem+json' },
);
export type ProblemDocument = Static<typeof ProblemDocument>;
