// What rdfreeze is asked comes from another process, which may run as somebody else.
import { Type } from 'typebox';
import { fail } from '../base/errors.ts';
import { shapeOf } from '../base/shape.ts';
import type { FreezeRequest } from '../model/freeze.ts';

/** Longer than this nobody's users wait (ms). */
export const longestFreezeMs = 60 * 60_000;

const paths = Type.Array(Type.String({ pattern: '^/', maxLength: 4096 }), { maxItems: 256 });

const shape = shapeOf(
  Type.Object(
    {
      // A folder below AGENT_RUN is named after it.
      id: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }),
      applications: Type.Boolean(),
      fileSystems: paths,
      writersOf: Type.Optional(paths),
      perHour: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: longestFreezeMs })),
      limitMs: Type.Integer({ minimum: 1, maximum: longestFreezeMs }),
    },
    { additionalProperties: false },
  ),
);

/** Throws USAGE. */
export function checkRequest(request: unknown): FreezeRequest {
  const fault = shape.fault(request);
  if (fault) fail('USAGE', { detail: `the freeze cannot be as asked: ${fault}` });
  return request as FreezeRequest;
}
