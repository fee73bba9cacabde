// What a file for `agentcli apply` may hold: what the RPC takes, with files where that takes secrets.
import { type Static, Type } from 'typebox';
import { strict } from '../../rpc/schemas-common.ts';
import { CommandSourceInput, DiskSourceInput, FilesSourceInput, PlanCreate, ServerSourceInput } from '../../rpc/schemas-plans.ts';
import { PoolBind } from '../../rpc/schemas-pools.ts';
import { BucketSourceInput, MysqlSourceInput, PostgresSourceInput, RedisSourceInput } from '../../rpc/schemas-services.ts';
import { VaultCreate } from '../../rpc/schemas-vaults.ts';

const Name = Type.String({ minLength: 1 });
/** Relative ones are meant from the folder of the file that names them. */
const File = Type.Optional(Type.String({ minLength: 1 }));

const { credentials: _keys, name: _poolName, ...pool } = PoolBind.properties;
const FilePool = strict({ name: Name, ...pool, credentialsFile: File });
export type FilePool = Static<typeof FilePool>;

const { name: _vaultName, ...vault } = VaultCreate.properties;
const FileVault = strict({ name: Name, ...vault, recoveryKeyFile: File });
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

const { description, vault: vaultOfPlan, consistency, allowMissing } = PlanCreate.properties;
const FilePlan = strict({ name: Name, description, vault: vaultOfPlan, source: FileSource, consistency, allowMissing });
export type FilePlan = Static<typeof FilePlan>;

export const WholeFile = strict({
  pools: Type.Optional(Type.Array(FilePool)),
  vaults: Type.Optional(Type.Array(FileVault)),
  plans: Type.Optional(Type.Array(FilePlan)),
});
export type WholeFile = Static<typeof WholeFile>;
