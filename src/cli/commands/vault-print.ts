// A vault as agentcli shows it.
import { gigabyte as gib, quotas } from '../../model/quota.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import { formatSize, formatTime, plural, shortId } from '../format.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';

const { resourcesPerVault } = quotas;

/** `20/100 GB`, as the guide shows it: whole GB, and 0 for less than one. */
export function usageText({ usedBytes, capacityGb }: Vault): string {
  return `${Math.floor(usedBytes / gib)}/${capacityGb} GB`;
}

export async function printVault(session: Session, vault: Vault): Promise<void> {
  if (session.json) return session.printJson(vault);
  const { barText, detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  const share = vault.usedBytes / (vault.capacityGb * gib);
  const bar = paint(share > 0.9 ? 'red' : share > 0.8 ? 'yellow' : 'green', barText(share, 24));
  const keys = vault.keys.map(
    ({ id, created, hostname, username, current, recovery }) =>
      `${paint('cyan', shortId(id))}  ${formatTime(created)}  ${printable(`${username}@${hostname}`)}${paint('dim', current ? '  in use' : recovery ? '  recovery key' : '')}`,
  );
  const rows = [
    ['Detail', printable(vault.stateDetail)],
    ['ID', vault.id],
    ['Description', printable(vault.description)],
    ['Type', vault.protection === 'replication' ? `${vault.type}, for copies` : vault.type],
    ['Specification', vault.spec],
    ['Pool', vault.poolName],
    ['Location', printable(vault.location)],
    ['Repository', vault.repositoryId],
    [
      'Used',
      `${bar} ${formatSize(vault.usedBytes)} of ${formatSize(vault.capacityGb * gib)} (${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %)`,
    ],
    ['Used/total', usageText(vault)],
    ['Resources', `${vault.resources} of ${resourcesPerVault}, ${formatSize(vault.associatedBytes)}`],
    ['Policy', vault.policyName === null ? undefined : printable(vault.policyName)],
    ['Immutable', vault.immutableDays > 0 ? plural(vault.immutableDays, 'day') : undefined],
    ['Backups', String(vault.backups)],
    ['Plans', String(vault.plans)],
    ['Keys', keys.join('\n')],
    ['Created', formatTime(vault.createdAt)],
  ] as const;
  session.print(detailsText(`vault ${paint('bold', vault.name)} ${stateText(vault.state, paint)}`, rows, paint));
}
