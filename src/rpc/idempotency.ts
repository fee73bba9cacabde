// A POST with an Idempotency-Key is done once: a repeated one gets the first answer, within 24 hours.
import { fail, failure } from '../base/errors.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface AnswerStore {
  get(key: string): { readonly fingerprint: string; readonly status: number; readonly body: string | null } | undefined;
  put(key: string, answer: { readonly fingerprint: string; readonly status: number; readonly body: string | null }): void;
  fingerprint(text: string): string;
}

export interface Request {
  readonly key: string;
  /** Method, path and body: the same key with another request is a mistake of the caller. */
  readonly text: string;
  /** The answer must not be kept, because it holds a secret. */
  readonly once: boolean;
}

/** Answers from the store or does the work. Failures are not kept: asking again tries again. */
export function createIdempotency(store: AnswerStore) {
  const underWay = new Map<string, { readonly fingerprint: string; readonly answer: Promise<Answer> }>();

  return async (request: Request, work: () => Promise<Answer>): Promise<Answer> => {
    const { key } = request;
    const fingerprint = store.fingerprint(request.text);
    const earlier = underWay.get(key) ?? store.get(key);
    if (earlier && earlier.fingerprint !== fingerprint) fail('IDEMPOTENCY_REUSED', { key });
    if (earlier && 'answer' in earlier) return earlier.answer;
    if (earlier) {
      if (earlier.body === null) throw failure('IDEMPOTENCY_SPENT', { key });
      return { status: earlier.status, body: JSON.parse(earlier.body) };
    }
    const answer = work();
    underWay.set(key, { fingerprint, answer });
    try {
      const { status, body } = await answer;
      store.put(key, { fingerprint, status, body: request.once ? null : JSON.stringify(body) });
      return { status, body };
    } finally {
      underWay.delete(key);
    }
  };
}
