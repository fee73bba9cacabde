import { describe, expect, test } from 'vitest';
import { Transient } from '../../src/base/backoff.ts';
import { s3Failure } from '../../src/s3/errors.ts';

const attempt = { operation: 'save', right: 'put', kind: 'data', name: 'abc', location: 's3:https://x/b' };
const answer = (name: string, status: number) => Object.assign(new Error('as told'), { name, $metadata: { httpStatusCode: status } });
const network = (code: string) => Object.assign(new Error(`connect ${code}`), { code });
const kindOf = (error: unknown) => {
  const failed = s3Failure(error, attempt);
  return failed instanceof Transient ? `passing ${failed.final.code}` : (failed as { code?: string }).code;
};

describe('P1 what an S3 error means', () => {
  test.each([
    ['ExpiredToken', 400, 'POOL_CREDENTIALS'],
    ['InvalidToken', 400, 'POOL_CREDENTIALS'],
    ['SignatureDoesNotMatch', 403, 'POOL_CREDENTIALS'],
    ['UnknownError', 401, 'POOL_CREDENTIALS'],
    ['AccessDenied', 403, 'POOL_NO_RIGHT'],
    ['UnknownError', 403, 'POOL_NO_RIGHT'],
    ['RequestTimeTooSkewed', 403, 'POOL_CLOCK'],
    ['QuotaExceeded', 403, 'POOL_FULL'],
    ['UnknownError', 507, 'POOL_FULL'],
    ['NoSuchBucket', 404, 'POOL_NOT_FOUND'],
    ['NoSuchKey', 404, 'BACKEND_NOT_FOUND'],
    ['InvalidRange', 416, 'BACKEND_SHORT'],
    ['EntityTooLarge', 400, 'BACKEND_FAILED'],
    ['PermanentRedirect', 301, 'BACKEND_FAILED'],
    ['BadDigest', 400, 'passing POOL_OFFLINE'],
    ['RequestTimeout', 400, 'passing POOL_OFFLINE'],
    ['SlowDown', 503, 'passing POOL_OFFLINE'],
    ['UnknownError', 502, 'passing POOL_OFFLINE'],
    ['UnknownError', 429, 'passing POOL_OFFLINE'],
  ])('P1 %s with HTTP %i is %s', (name, status, code) => {
    expect(kindOf(answer(name, status))).toBe(code);
  });

  test.each([
    ['ECONNRESET', 'passing POOL_OFFLINE'],
    ['ECONNREFUSED', 'passing POOL_OFFLINE'],
    ['ENOTFOUND', 'passing POOL_OFFLINE'],
    ['EAI_AGAIN', 'passing POOL_OFFLINE'],
    ['CERT_HAS_EXPIRED', 'POOL_CERTIFICATE'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'POOL_CERTIFICATE'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'POOL_CERTIFICATE'],
  ])('P1 %s without an answer is %s', (code, expected) => {
    expect(kindOf(network(code))).toBe(expected);
  });

  test('P1 a defect of our own is not taken for a bad line', () => {
    expect(kindOf(new TypeError('x is not a function'))).toBe('BACKEND_FAILED');
  });

  test('P1 the cause tells code and status, and nothing of the request', () => {
    const error = Object.assign(answer('AccessDenied', 403), { $response: { headers: { authorization: 'SECRET' } } });
    const failed = s3Failure(error, attempt);
    expect((failed.cause as Error).message).toBe('AccessDenied: as told (HTTP 403)');
    expect(Object.keys(failed.cause as Error)).toEqual([]);
  });
});
