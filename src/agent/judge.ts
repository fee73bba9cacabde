// A task that has more rights than rdagent believes nothing that rdagent tells it: it looks at what root has allowed before it begins.
import { readFileSync } from 'node:fs';
import { fail } from '../base/errors.ts';
import { findUser } from '../base/users.ts';
import { allowFileOf, readAllowList } from '../config/allow-list.ts';
import { takeApproval } from '../config/approvals.ts';
import type { Layout } from '../config/layout.ts';
import { allowed, assertNoMore } from '../engine/allowed.ts';
import type { Rights } from '../model/provider.ts';
import { commandsOf, type TaskSpec } from '../model/task.ts';

const root = 0;

/**
 * What is to be run of what it was told, with no more rights than that may have. Throws NOT_ALLOWED, APPROVAL_NEEDED, CONFIG_INVALID. Where
 * everything runs as one user there is nothing to judge but what a named command is.
 */
export function judged(spec: TaskSpec, layout: Layout): TaskSpec {
  const held = heldRights();
  if (!namesCommand(spec) && (!process.env['AGENT_USER'] || held === 'own')) return spec;
  const task = ('task' in spec && spec.task) || '';
  const approval = { task, take: (digest: string) => takeApproval(layout, digest, Date.now(), root) };
  const grant = allowed(spec, readAllowList(allowFileOf(), root), approval, root);
  assertNoMore(held, grant);
  if (grant.user !== undefined && spec.type === 'restore' && spec.target.kind !== 'command') become(grant.user);
  return grant.spec;
}

function namesCommand(spec: TaskSpec): boolean {
  if (spec.type === 'backup') return spec.source.kind === 'command' && spec.source.named !== undefined;
  return spec.type === 'restore' && spec.target.kind === 'command' && commandsOf(spec.target).some(({ named }) => named !== undefined);
}

/** As the kernel has them (proc(5), capabilities(7)), whatever anybody says. */
function heldRights(): Rights {
  if (process.geteuid?.() === root) return 'root';
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`);
  return effective === 0n ? 'own' : 'read';
}

/** For good: all threads, all ids. */
function become(name: string): void {
  const user = findUser(name) ?? fail('NOT_ALLOWED', { what: `a restore as ${name}`, reason: 'there is no such user' });
  process.setgroups?.([user.gid]);
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
}
