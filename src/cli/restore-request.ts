// A restore as the agent describes it with its task: what came from there is looked at before root believes it.
import { type Static, Type } from 'typebox';
import { shapeOf } from '../base/shape.ts';

const strict = <P extends Parameters<typeof Type.Object>[0]>(properties: P) => Type.Object(properties, { additionalProperties: false });

const RestoreRequest = strict({
  record: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  target: Type.Union([
    strict({
      kind: Type.Literal('files'),
      path: Type.String(),
      include: Type.Array(Type.String()),
      overwrite: Type.Union([Type.Literal('always'), Type.Literal('if-changed'), Type.Literal('never')]),
      delete: Type.Boolean(),
      verify: Type.Boolean(),
    }),
    strict({ kind: Type.Literal('disk'), map: Type.Record(Type.String(), Type.String()), verify: Type.Boolean() }),
  ]),
});
export type RestoreRequest = Static<typeof RestoreRequest>;

const shape = shapeOf(RestoreRequest);

/** What is wrong with it, in words, or undefined. */
export function faultOfRequest(value: unknown): string | undefined {
  return shape.fault(value);
}
