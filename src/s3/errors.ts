// What an object store's answers mean. Codes: the S3 API's list of error responses; those of radosgw and MinIO where they differ.
import { Transient } from '../base/backoff.ts';
import { errnoOf, failure, StillpointError } from '../base/errors.ts';

/** What was tried, for the message; `right` is the probe's word for it. */
export interface S3Attempt {
  readonly operation: string;
  readonly right: string;
  readonly kind: string;
  readonly name: string;
  readonly location: string;
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

const noBucket = words('NoSuchBucket');
const noObject = words('NoSuchKey NotFound');
const credentials = words(
  `InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken TokenRefreshRequired AuthorizationHeaderMalformed InvalidSecurity
  UserSuspended AccountProblem NotSignedUp Unauthorized`,
);
const noRight = words('AccessDenied AllAccessDisabled Forbidden MethodNotAllowed');
const clock = words('RequestTimeTooSkewed RequestExpired');
const full = words('QuotaExceeded InsufficientStorage XMinioStorageFull XMinioAdminBucketQuotaExceeded');
const passing = words(
  `SlowDown ServiceUnavailable InternalError Throttling ThrottlingException TooManyRequests RequestTimeout RequestTimeoutException TimeoutError
  OperationAborted BadDigest XAmzContentSHA256Mismatch IncompleteBody ConcurrentModification BandwidthLimitExceeded`,
);
/** Errors of TLS by their OpenSSL names, as Node gives them. */
const certificate = /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/;

/** The HTTP status of an SDK error, 0 where there was no answer. */
export function statusOf(error: unknown): number {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode ?? 0;
}

/** The store's own code for an error (`NoSuchKey`, …). */
export function s3CodeOf(error: unknown): string {
  const { name, Code } = (error ?? {}) as { name?: unknown; Code?: unknown };
  return String(typeof Code === 'string' && Code !== '' ? Code : (name ?? ''));
}

/** An SDK or network error as the error to throw: passing trouble as a Transient, everything else final. */
export function s3Failure(error: unknown, attempt: S3Attempt): Error {
  if (error instanceof Transient || error instanceof StillpointError) return error;
  const { location, operation, kind, name, right } = attempt;
  const code = s3CodeOf(error);
  const status = statusOf(error);
  const detail = detailOf(error, code, status);
  const cause = { cause: scrubbed(detail) };
  const failed = failure('BACKEND_FAILED', { operation, kind, name, location, detail }, cause);

  if (clock.has(code)) return failure('POOL_CLOCK', { location }, cause);
  if (credentials.has(code)) return failure('POOL_CREDENTIALS', { location, detail }, cause);
  if (noBucket.has(code)) return failure('POOL_NOT_FOUND', { location }, cause);
  if (noObject.has(code)) return failure('BACKEND_NOT_FOUND', { kind, name, location }, cause);
  if (full.has(code) || status === 507) return failure('POOL_FULL', { location }, cause);
  if (code === 'InvalidRange' || status === 416) return failure('BACKEND_SHORT', { kind, name, location }, cause);
  if (passing.has(code) || status >= 500 || status === 429 || status === 408) {
    return new Transient(failure('POOL_OFFLINE', { location, detail }, cause));
  }
  if (noRight.has(code) || status === 403) return failure('POOL_NO_RIGHT', { right, location }, cause);
  if (status === 401) return failure('POOL_CREDENTIALS', { location, detail }, cause);
  if (status === 404) return failure('BACKEND_NOT_FOUND', { kind, name, location }, cause);
  if (status >= 300) return failed;
  return withoutAnswer(error, failed, location, detail, cause);
}

/** Trouble below HTTP, or an answer that broke off half-way. */
function withoutAnswer(error: unknown, failed: StillpointError, location: string, detail: string, cause: { cause: Error }): Error {
  const code = String((error as { code?: unknown } | null)?.code ?? '');
  const { syscall, address } = (error ?? {}) as { readonly syscall?: unknown; readonly address?: unknown };
  if (syscall === 'bind') return failure('GATEWAY_ADDRESS', { address: String(address), detail: bindDetail(code) }, cause);
  if (certificate.test(code)) return failure('POOL_CERTIFICATE', { location, detail }, cause);
  if (code === 'ERR_INVALID_URL' || error instanceof TypeError || error instanceof RangeError) return failed;
  if (errnoOf(error) === undefined && code === '' && !(error instanceof Error)) return failed;
  return new Transient(failure('POOL_OFFLINE', { location, detail }, cause));
}

/** Of connections that leave from an address of ours. */
function bindDetail(code: string): string {
  if (code === 'EADDRNOTAVAIL') return 'this host does not have it';
  return code === 'EINVAL' ? 'what is to be reached has an address of the other kind (IPv4 or IPv6)' : code;
}

function detailOf(error: unknown, code: string, status: number): string {
  const { message } = (error ?? {}) as { message?: unknown };
  const inner = error instanceof AggregateError ? error.errors.map((one: Error) => one.message).join('; ') : '';
  const text = message === 'UnknownError' ? code : String(message || inner || 'no reason given');
  const named = code === '' || code === 'Error' || text.includes(code) ? text : `${code}: ${text}`;
  return status === 0 ? named : `${named} (HTTP ${status})`;
}

/** The SDK's own errors carry the request with its signature and the session token: none of that goes into a log. */
function scrubbed(detail: string): Error {
  return new Error(detail);
}
