import { type Static, Type } from 'typebox';
import type { ProbeReport } from '../ports/backend.ts';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';

const LocalPlace = strict({ type: Type.Literal('local'), path: Type.String({ minLength: 1, description: 'absolute path' }) });

export const S3PlaceInput = strict({
  type: Type.Literal('s3'),
  endpoint: Type.String({ minLength: 1, description: 'address with scheme, e.g. https://s3.example.org:9000' }),
  bucket: Type.Optional(Type.String({ minLength: 1, description: 'dbs if not given' })),
  prefix: Type.Optional(Type.String()),
  region: Type.Optional(Type.String({ description: 'us-east-1 if not given' })),
  addressing: Type.Optional(Type.Union([Type.Literal('path'), Type.Literal('virtual-host')])),
  caPem: Type.Optional(Type.String({ description: 'PEM text of certificates to trust besides the system’s' })),
});

const S3Place = Type.Required(S3PlaceInput);

export const PlaceInput = Type.Union([LocalPlace, S3PlaceInput]);
export type PlaceInput = Static<typeof PlaceInput>;

export const CredentialsInput = strict({
  accessKey: Type.String({ minLength: 1 }),
  secretKey: Type.String({ minLength: 1 }),
  sessionToken: Type.Optional(Type.String({ minLength: 1 })),
});

export const Pool = strict({
  id: Type.String({ description: 'the id that the pool’s marker carries' }),
  name: Type.String(),
  remark: Type.String(),
  location: Type.String({ description: 'as restic writes it' }),
  place: Type.Union([LocalPlace, S3Place]),
  hasCredentials: Type.Boolean({ description: 'whether keys are stored; they are never shown' }),
  bandwidth: Type.Integer({ description: 'bytes a second; 0 for no limit' }),
  state: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
  stateDetail: Type.String({ description: 'why it is offline' }),
  checkedAt: Time,
  plans: Type.Integer({ description: 'that back up into its vaults' }),
  vaults: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
});
export type Pool = Static<typeof Pool>;

export const PoolBind = strict({
  name: Type.Optional(Type.String()),
  remark: Type.Optional(Type.String()),
  place: PlaceInput,
  credentials: Type.Optional(CredentialsInput),
  bandwidth: Type.Optional(Type.Integer({ minimum: 0 })),
  create: Type.Optional(Type.Boolean({ description: 'make the directory or bucket if it is missing' })),
  objectLock: Type.Optional(Type.Boolean({ description: 'a bucket that can lock objects, for immutable vaults; made so if it is made' })),
});
export type PoolBind = Static<typeof PoolBind>;

export const Probe = Type.Unsafe<ProbeReport>(
  Type.Object({ steps: Type.Array(Type.Object({})) }, { description: 'what the bind check tried' }),
);
export const PoolBound = strict({ pool: Pool, probe: Probe });
export type PoolBound = Static<typeof PoolBound>;

export const PoolUpdate = strict({
  name: Type.Optional(Type.String()),
  remark: Type.Optional(Type.String()),
  credentials: Type.Optional(CredentialsInput),
  bandwidth: Type.Optional(Type.Integer({ minimum: 0 })),
  caPem: Type.Optional(Type.String({ description: 'of a bucket: PEM text of certificates to trust besides the system’s; empty for none' })),
});
export type PoolUpdate = Static<typeof PoolUpdate>;

export const PoolQuery = listQuery({
  state: Type.Optional(Type.Union([Type.Literal('online'), Type.Literal('offline')])),
  type: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('s3')])),
});
export type PoolQuery = Static<typeof PoolQuery>;
export const PoolList = listOf(Pool);
