// Databases and buckets, as callers name them. Secrets come in and never go out.
import { type Static, Type } from 'typebox';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';
import { CredentialsInput, S3PlaceInput } from './schemas-pools.ts';

const text = Type.String({ minLength: 1 });
const names = (description: string) => Type.Array(text, { description });

const address = {
  socket: Type.Optional(Type.String({ minLength: 1, description: 'absolute path; PostgreSQL: the directory of the socket' })),
  host: Type.Optional(text),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  user: Type.Optional(text),
  ca: Type.Optional(Type.String({ minLength: 1, description: 'file of certificates (PEM) by which the server must prove itself' })),
};
const ServerInput = strict({
  ...address,
  password: Type.Optional(Type.String({ description: 'kept sealed, never shown; what is stored stays if it is left out' })),
});
const Server = strict(address);

export const Table = strict({ database: text, table: text });

const mysql = {
  kind: Type.Literal('mysql'),
  databases: Type.Optional(names('logical: these only; all if neither databases nor tables are named')),
  tables: Type.Optional(Type.Array(Table)),
  base: Type.Optional(Type.String({ minLength: 1, description: 'incremental: the plan (ID or name) whose backups it continues' })),
  method: Type.Optional(
    Type.Union([Type.Literal('logical'), Type.Literal('physical'), Type.Literal('snapshot'), Type.Literal('incremental')]),
  ),
};
const postgres = {
  kind: Type.Literal('postgres'),
  databases: Type.Optional(names('logical: these only; all if left out')),
  base: Type.Optional(Type.String({ minLength: 1, description: 'incremental: the plan (ID or name) whose backups it continues' })),
  method: Type.Optional(Type.Union([Type.Literal('logical'), Type.Literal('physical'), Type.Literal('incremental')])),
};
const redis = { kind: Type.Literal('redis'), method: Type.Optional(Type.Literal('logical')) };
const bucket = {
  kind: Type.Literal('bucket'),
  place: S3PlaceInput,
  versions: Type.Optional(Type.Boolean({ description: 'every version of every object' })),
  method: Type.Optional(Type.Literal('snapshot')),
};
const server = { server: Type.Optional(ServerInput) };

export const MysqlSourceInput = strict({ ...mysql, ...server });
export const PostgresSourceInput = strict({ ...postgres, ...server });
export const RedisSourceInput = strict({ ...redis, ...server });
export const BucketSourceInput = strict({ ...bucket, credentials: Type.Optional(CredentialsInput) });

/** As a plan shows them. */
export const serviceSources = [
  strict({ ...mysql, server: Server }),
  strict({ ...postgres, server: Server }),
  strict({ ...redis, server: Server }),
  strict(bucket),
] as const;

const existing = Type.Optional(
  Type.Union([Type.Literal('refuse'), Type.Literal('replace')], {
    description: 'what is there already under the name; refuse if left out',
  }),
);
const intoServer = {
  server: Type.Optional(Type.Unsafe<Static<typeof ServerInput>>(ServerInput)),
  existing,
};
const intoSql = {
  ...intoServer,
  databases: Type.Optional(names('these only; all if neither databases nor tables are named')),
  tables: Type.Optional(Type.Array(Table)),
  as: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'database of the backup → its name at the server' })),
};

/** The server or bucket of the backup's plan, if none is named. */
export const serviceTargets = [
  strict({ kind: Type.Literal('mysql'), ...intoSql }),
  strict({ kind: Type.Literal('postgres'), ...intoSql }),
  strict({
    kind: Type.Literal('redis'),
    ...intoServer,
    pattern: Type.Optional(Type.String({ description: 'only keys that match this glob' })),
  }),
  strict({
    kind: Type.Literal('bucket'),
    place: Type.Optional(S3PlaceInput),
    credentials: Type.Optional(CredentialsInput),
    include: Type.Optional(names('keys of the backup that begin so; all if left out')),
    overwrite: Type.Optional(Type.Union([Type.Literal('always'), Type.Literal('if-changed'), Type.Literal('never')])),
  }),
  strict({
    kind: Type.Literal('instance'),
    directory: Type.String({ minLength: 1, description: 'absolute; new or empty' }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    until: Type.Optional(
      strict({
        time: Type.Optional(Type.Integer({ description: 'ms since the epoch' })),
        gtid: Type.Optional(Type.String({ minLength: 1, description: 'up to and with this transaction' })),
        place: Type.Optional(Type.String({ minLength: 1, description: 'up to this place of the log' })),
        latest: Type.Optional(Type.Literal(true)),
      }),
    ),
  }),
] as const;

const LogMark = strict({ place: Type.String(), gtid: Type.Optional(Type.String()), at: Time, server: Type.String() });

/** What point-in-time recovery can reach from a backup. */
export const Moments = strict({
  from: Type.Union([LogMark, Type.Null()], { description: 'the state of the backup itself; null: it has no place in a log' }),
  until: Type.Union([LogMark, Type.Null()], { description: 'the end of the last log that follows without a gap' }),
  logs: Type.Array(strict({ id: Type.String(), name: Type.String(), from: LogMark, until: LogMark })),
  gap: Type.Union([Type.String(), Type.Null()], { description: 'why it goes no further, where there are more logs' }),
});
export type Moments = Static<typeof Moments>;

export const Instance = strict({
  id: Type.String(),
  engine: Type.String(),
  directory: Type.String(),
  port: Type.Integer(),
  connect: Type.String({ description: 'how a client reaches it' }),
  backupId: Type.Union([Type.String(), Type.Null()]),
  createdAt: Time,
});
export type Instance = Static<typeof Instance>;
export const InstanceList = listOf(Instance);
export const InstanceQuery = listQuery({});
export const InstanceRemove = strict({ keepData: Type.Optional(Type.Boolean({ description: 'stop it and leave its directory' })) });
