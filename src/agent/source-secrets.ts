// What a database or a bucket asks for at its door: sealed beside the plan or the request, put back where it belongs for the task alone.
import type { SourceSettings } from '../model/plan.ts';
import type { RestoreTarget } from '../model/task.ts';
import type { AgentContext } from './context.ts';

type Needs = Pick<AgentContext, 'sealer'>;

/** What has a secret at its door. */
type Guarded = { readonly server?: { readonly password?: string }; readonly credentials?: object };

export const planSecretContext = (planId: string) => `plan/${planId}/secret`;
export const requestSecretContext = 'request/secret';

/** The secret as text, and the rest without it. */
export function takeSecret<T extends SourceSettings | RestoreTarget>(from: T): { readonly open: T; readonly secret: string | undefined } {
  const { server, credentials, ...rest } = from as Guarded & T;
  if (credentials !== undefined) return { open: rest as unknown as T, secret: JSON.stringify(credentials) };
  if (server?.password === undefined) return { open: from, secret: undefined };
  const { password, ...address } = server;
  return { open: { ...rest, server: address } as unknown as T, secret: password };
}

/** Who is asked to let us in: another door is somebody else. */
export function doorOf(source: SourceSettings): string {
  if (source.kind === 'bucket') return JSON.stringify([source.kind, source.place.endpoint]);
  if (!('server' in source)) return source.kind;
  const { host, port, socket } = source.server;
  return JSON.stringify([source.kind, host, port, socket]);
}

/** The reverse. */
export function withSecret<T extends SourceSettings | RestoreTarget>(to: T, secret: string | undefined): T {
  if (secret === undefined) return to;
  if (to.kind === 'bucket') return { ...to, credentials: JSON.parse(secret) as object };
  return 'server' in to ? { ...to, server: { ...to.server, password: secret } } : to;
}

export const sealSecret = ({ sealer }: Needs, context: string, secret: string | undefined): string | null =>
  secret === undefined ? null : sealer.seal(context, secret);

/** Throws SECRET_UNREADABLE. */
export const openSecret = ({ sealer }: Needs, context: string, sealed: string | null | undefined): string | undefined =>
  typeof sealed === 'string' ? sealer.open(context, sealed) : undefined;
