import { type Static, Type } from 'typebox';
import type { Problem } from '../base/errors.ts';
import type { FactsByName, FreezeStep } from '../model/freeze.ts';
import { strict, Time } from './schemas-common.ts';

export const FreezeStart = strict({
  applications: Type.Optional(Type.Boolean({ description: 'run the freeze scripts; true if not given' })),
  fileSystems: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      maxItems: 256,
      description: 'mount points to freeze after the applications, children first',
    }),
  ),
  limitSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 600, description: 'thawed after so long, whatever happens; 60' })),
});
export type FreezeStart = Static<typeof FreezeStart>;

export const Freeze = strict({
  id: Type.String(),
  state: Type.Union([Type.Literal('freezing'), Type.Literal('frozen'), Type.Literal('thawed'), Type.Literal('failed')]),
  startedAt: Time,
  frozenAt: Type.Union([Time, Type.Null()]),
  endedAt: Type.Union([Time, Type.Null()]),
  limitSeconds: Type.Integer(),
  names: Type.Array(Type.String(), { description: 'what is or was frozen' }),
  held: Type.Union([Type.Boolean(), Type.Null()], { description: 'after the thaw: it held from the freeze until then, without a break' }),
  lost: Type.Union([
    strict({ cause: Type.Union([Type.Literal('expired'), Type.Literal('lost'), Type.Literal('failed')]), reason: Type.String() }),
    Type.Null(),
  ]),
  thawed: Type.Union([Type.Boolean(), Type.Null()], {
    description: 'false: something may still be frozen, and is tried again without end',
  }),
  frozenMs: Type.Union([Type.Integer(), Type.Null()], { description: 'how long everything stood still' }),
  steps: Type.Unsafe<FreezeStep[]>(Type.Array(Type.Object({}))),
  facts: Type.Unsafe<FactsByName>(Type.Object({}, { description: 'by name: positions in logs, labels' })),
  problem: Type.Union([Type.Unsafe<Problem>(Type.Object({}, { description: 'why it did not come about' })), Type.Null()]),
});
export type Freeze = Static<typeof Freeze>;

export const FreezeReference = strict({ id: Type.String({ minLength: 1 }) });
export const FreezeList = strict({ items: Type.Array(Freeze, { description: 'of this run of the agent, the newest first' }) });
