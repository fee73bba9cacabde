// Restores one disk in a process of its own, for whoever counts system calls from outside.
// Arguments: pool, path of the vault in it, record, disk in the backup, target. The password comes as VAULT_PASSWORD.
import { testVault } from './vault.ts';

const [pool = '', path = '', record = '', disk = '', target = ''] = process.argv.slice(2);
const vault = testVault(pool, path, process.env['VAULT_PASSWORD'] ?? '');
const counts = await vault.restore(record, { kind: 'disk', map: { [disk]: target }, verify: false });
console.log(JSON.stringify(counts));
