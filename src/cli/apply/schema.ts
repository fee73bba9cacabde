// What a file for `agentcli apply` may hold: what the RPC takes, with files where that takes secrets.
import { type Static, Type } from 'typebox';
import { strict } from '../../rpc/schemas-common.ts';
import { GatewaySet } from '../../rpc/schemas-gateway.ts';
import { CommandSourceInput, DiskSourceInput, FilesSourceInput, PlanCreate, ServerSourceInput } from '../../rpc/schemas-plans.ts';
import { PolicyCreate, RetentionInput, ScheduleInput } from '../../rpc/schemas-policies.ts';
import { PoolBind } from '../../rpc/schemas-pools.ts';
import { BucketSourceInput, MysqlSourceInput, PostgresSourceInput, RedisSourceInput } from '../../rpc/schemas-services.ts';
import { VaultCreate } from '../../rpc/schemas-vaults.ts';

const Name = Type.String({ minLength: 1 });
/** Relative ones are meant from the folder of the file that names them. */
const File = Type.Optional(Type.String({ minLength: 1 }));

const FileGateway = strict(GatewaySet.properties);
export type FileGateway = Static<typeof FileGateway>;

const { credentials: _keys, name: _poolName, ...pool } = PoolBind.properties;
const FilePool = strict({ name: Name, ...pool, credentialsFile: File });
export type FilePool = Static<typeof FilePool>;

// Which words of a rule go together is told by the rules of the agent, which have better words for it than a schema.
const [cron, weekly, daily] = ScheduleInput.anyOf;
const FileSchedule = Type.Partial(strict({ ...cron.properties, ...weekly.properties, ...daily.properties }), {
  additionalProperties: false,
});
export type FileSchedule = Static<typeof FileSchedule>;
const [days, months, count, permanent, scheme] = RetentionInput.anyOf;
const FileRetention = Type.Partial(
  strict({ ...days.properties, ...months.properties, ...count.properties, ...permanent.properties, ...scheme.properties }),
  { additionalProperties: false },
);
export type FileRetention = Static<typeof FileRetention>;

const { fullEveryDays, enabled } = PolicyCreate.properties;
const FilePolicy = strict({ name: Name, enabled, schedule: FileSchedule, retention: Type.Optional(FileRetention), fullEveryDays });
export type FilePolicy = Static<typeof FilePolicy>;

const { name: _vaultName, ...vault } = VaultCreate.properties;
const FileVault = strict({
  name: Name,
  ...vault,
  policy: Type.Optional(Type.String({ minLength: 1, description: 'ID or name; none takes away the one that it has' })),
  recoveryKeyFile: File,
});
export type FileVault = Static<typeof FileVault>;

const { password: _password, ...address } = MysqlSourceInput.properties.server.properties;
const server = Type.Optional(strict({ ...address, passwordFile: File }));
const { credentials: _bucketKeys, ...bucket } = BucketSourceInput.properties;

const FileSource = Type.Union([
  FilesSourceInput,
  DiskSourceInput,
  ServerSourceInput,
  CommandSourceInput,
  strict({ ...MysqlSourceInput.properties, server }),
  strict({ ...PostgresSourceInput.properties, server }),
  strict({ ...RedisSourceInput.properties, server }),
  strict({ ...bucket, credentialsFile: File }),
]);
export type FileSource = Static<typeof FileSource>;

const { name: _planName, method: _method, heartbeat: _heartbeat, source: _source, ...plan } = PlanCreate.properties;
const FilePlan = strict({
  name: Name,
  ...plan,
  source: FileSource,
  schedule: Type.Optional(FileSchedule),
  retention: Type.Optional(FileRetention),
  heartbeatFile: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
});
export type FilePlan = Static<typeof FilePlan>;

export const WholeFile = strict({
  gateway: Type.Optional(FileGateway),
  pools: Type.Optional(Type.Array(FilePool)),
  policies: Type.Optional(Type.Array(FilePolicy)),
  vaults: Type.Optional(Type.Array(FileVault)),
  plans: Type.Optional(Type.Array(FilePlan)),
});
export type WholeFile = Static<typeof WholeFile>;
