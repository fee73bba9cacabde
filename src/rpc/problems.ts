// Errors as application/problem+json (RFC 9457).
import { exits } from '../base/error-codes.ts';
import type { Problem } from '../base/errors.ts';
import type { ProblemDocument } from './schemas-common.ts';

const statusOfExit: Readonly<Record<number, number>> = {
  [exits.failed]: 500,
  [exits.usage]: 400,
  [exits.notFound]: 404,
  [exits.refused]: 409,
  [exits.unreachable]: 503,
  [exits.noSpace]: 507,
  [exits.damaged]: 500,
  [exits.noRepository]: 404,
  [exits.locked]: 423,
  [exits.wrongKey]: 403,
  [exits.cancelled]: 409,
};

export function toDocument(problem: Problem, status: number = statusOfExit[problem.exit] ?? 500): ProblemDocument {
  const { code, detail, hint, retry, exit } = problem;
  const title = code.toLowerCase().replaceAll('_', ' ');
  return { type: `urn:stillpoint:error:${code}`, title, status, code, detail, hint, retry, exit };
}
