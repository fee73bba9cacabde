// Policies as a file asks for them, and which one a vault or a plan names.
import { failure } from '../../base/errors.ts';
import { quotas } from '../../model/quota.ts';
import type { PolicyCreate, PolicyUpdate } from '../../rpc/schemas-policies.ts';
import { differences } from './change.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import { ruleChanges } from './rules.ts';
import { type Circumstances, referred, type Step } from './step.ts';

/** What stands in a file where a vault is to have no policy. */
const none = 'none';

export function policySteps(wanted: Wanted, { known, rules }: Circumstances): readonly Step[] {
  let count = known.policies.length;
  return wanted.policies.map((entry) => {
    const { name, enabled, ...words } = entry.value;
    judged(entry, '/name', () => rules.name(name));
    if (name === none) entry.wrong('/name', 'no policy can have the name none: for a vault that means no policy');
    const before = known.policies.find((policy) => policy.name === name);
    if (!before && count >= quotas.backupPolicies) entry.wrong('', failure('QUOTA_EXCEEDED', { count, what: 'backup policies' }).message);
    if (!before) count += 1;
    const rule = ruleChanges(entry, words, before?.rule);
    const changes = [...differences(before ?? {}, { enabled }), ...rule.changes];
    const common = { kind: 'policy', name, uses: [] } as const;
    if (!before) {
      // Judged above; the agent says in its schema what goes together, the file in its own.
      const body = entry.value as PolicyCreate;
      return { ...common, action: 'created', changes: [], run: async (client) => void (await client.call('policyCreate', { body })) };
    }
    const body = { ...rule.body, ...(changes.some(({ field }) => field === 'enabled') && { enabled }) } as PolicyUpdate;
    return {
      ...common,
      action: changes.length > 0 ? 'changed' : 'unchanged',
      changes,
      run: async (client) => {
        if (changes.length > 0) await client.call('policyUpdate', { params: { id: before.id }, body });
      },
    };
  });
}

/** The name of the policy that is named; null for none. Throws APPLY_INVALID where there is no such policy. */
export function policyNamed(
  entry: Entry<{ readonly policy?: string }>,
  wanted: Wanted,
  { known }: Circumstances,
): string | null | undefined {
  const { policy } = entry.value;
  if (policy === undefined) return undefined;
  if (policy === none) return null;
  const inFile = wanted.policies.map(({ value }) => value.name);
  const meant = referred(policy, inFile, known.policies);
  return typeof meant === 'string' ? entry.wrong('/policy', `there is no policy ${policy}, neither here nor in the agent`) : meant.name;
}
