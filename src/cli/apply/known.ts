// What the agent has, and being the only one who changes it by a file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { isCode } from '../../base/errors.ts';
import { layoutOf } from '../../config/layout.ts';
import type { Client } from '../../rpc/client.ts';
import type { Page } from '../../rpc/schemas-common.ts';
import type { Gateway } from '../../rpc/schemas-gateway.ts';
import { type PageQuery, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import type { Known } from './step.ts';

/** `work`: with the tasks that keep things from being removed. */
export async function readKnown(client: Client, work = false): Promise<Known> {
  const all = async <T>(ask: (query: PageQuery) => Promise<Page<T>>) => (await readPages({ limit: '0' }, ask)).items;
  const tasks = async (state: 'queued' | 'running') => all((query) => client.call('taskList', { query: { ...query, state } }));
  return {
    gateway: await readGateway(client),
    pools: await all((query) => client.call('poolList', { query })),
    policies: await all((query) => client.call('policyList', { query })),
    vaults: await all((query) => client.call('vaultList', { query })),
    plans: await all((query) => client.call('planList', { query })),
    tasks: work
      ? [...(await tasks('running')), ...(await tasks('queued'))].filter(({ type }) => type === 'backup' || type === 'restore')
      : [],
  };
}

async function readGateway(client: Client): Promise<Gateway | undefined> {
  try {
    return await client.call('gatewayShow', {});
  } catch (error) {
    if (isCode(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/**
 * Runs `work` while no other apply of this host works on the same agent: the second waits, and finds done what the first has done. The lock is
 * the kernel's (flock, on the file that a running agent leaves for agentcli) and ends with this process.
 */
export async function alone<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const fd = openSync(layoutOf(session.environment).runFile, 'r');
  try {
    const lock = spawn('flock', ['-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd], signal: session.interrupted });
    await once(lock, 'exit');
    return await work();
  } finally {
    closeSync(fd);
  }
}
