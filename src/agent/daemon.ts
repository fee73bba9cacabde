// The agent from start to stop. The order is the story: nothing is listened to before everything that answers is there.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failure } from '../base/errors.ts';
import { createLog, type Logger } from '../base/log.ts';
import { bootId } from '../base/process-id.ts';
import { systemClock } from '../base/system-clock.ts';
import { ensureCertificates, needsCertificates } from '../config/certificates.ts';
import { type RunFile, readRunFile } from '../config/connection.ts';
import { type Layout, makeLayout } from '../config/layout.ts';
import { writePrivateFile } from '../config/private-file.ts';
import { openSealer } from '../config/secrets.ts';
import { readSettings } from '../config/settings.ts';
import type { Start } from '../host/starter.ts';
import { layOutScripts } from '../quiescers/scripts/script-folder.ts';
import type { AnswerStore } from '../rpc/idempotency.ts';
import { type Server, startServer } from '../rpc/server.ts';
import { openState } from '../state/state.ts';
import { atMost, oneOf } from '../state/table.ts';
import { renewCertificates } from './certificate-watch.ts';
import type { AgentContext } from './context.ts';
import { createDeadLocks } from './dead-locks.ts';
import { rescueOnce } from './freezer.ts';
import { handlersOf } from './handlers.ts';
import { freezerOf, livesOf } from './host-places.ts';
import { sweepAfterDeath } from './sweep.ts';
import { createTaskDesk, type TaskDesk } from './task-desk.ts';
import { createTaskRunner } from './task-runner.ts';

export interface DaemonOptions {
  readonly layout: Layout;
  readonly version: string;
  readonly start: Start;
  /** Makes certificates in a process of its own: what that takes (30 MB) would never be given back. */
  readonly makeCertificates: () => void;
}

export interface Daemon {
  readonly address: string;
  /** Cancels running tasks, waits for them, and leaves everything tidy. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const hour = 3600 * 1000;

/** Throws AGENT_RUNNING, CONFIG_INVALID, STATE_NEWER, STATE_DAMAGED, AGENT_PORT. */
export async function startDaemon({ layout, version, start, makeCertificates }: DaemonOptions): Promise<Daemon> {
  makeLayout(layout);
  const settings = readSettings(layout.settings);
  const release = takeHome(layout);
  const log = createLog({ level: settings.logLevel, file: layout.agentLog });
  try {
    const sealer = openSealer(layout.installationKey);
    if (needsCertificates(layout.certificates)) makeCertificates();
    const certificates = await ensureCertificates(layout.certificates);
    const state = openState(layout.database);
    const clock = systemClock;
    const context: AgentContext = { version, layout, settings, sealer, state, clock, log, bootId: bootId(), startedAt: clock.now() };

    comeToRest(context);
    const deadLocks = createDeadLocks(context, () => desk);
    const sweepImages = () => void sweepAfterDeath(livesOf(layout), start, log);
    const desk: TaskDesk = createTaskDesk(context, createTaskRunner(context, start), ({ kind }) => {
      deadLocks.sweep();
      if (kind === 'died') sweepImages();
    });
    desk.recover();
    deadLocks.sweep();
    sweepImages();
    tidy(context);
    const tidying = setInterval(() => tidy(context), hour).unref();

    let server: Server | undefined;
    const address = () => `${host}:${server?.port ?? settings.port}`;
    server = await startServer({
      host,
      port: settings.port,
      tls: { ca: certificates.ca, cert: certificates.serverCert, key: certificates.serverKey },
      version,
      handlers: handlersOf(context, desk, address),
      answers: answersIn(context),
      log,
    });
    const { serve } = server;
    const watch = { directory: layout.certificates, makeCertificates, serve, log, now: () => clock.now() };
    const watching = setInterval(() => void renewCertificates(watch), 24 * hour).unref();
    writeRunFile(layout, { host, port: server.port, pid: process.pid, version, startedAt: context.startedAt });
    log.info({ address: address(), home: layout.home, version }, 'rdagent is ready');

    return {
      address: address(),
      async stop() {
        log.info('rdagent stops');
        clearInterval(tidying);
        clearInterval(watching);
        rmSync(layout.runFile, { force: true });
        await desk.stop();
        await server?.close();
        state.close();
        release();
        log.info('rdagent has stopped');
      },
    };
  } catch (error) {
    release();
    logFailure(log, error);
    throw error;
  }
}

/** Freeze scripts for a checkout's home; and before anything else is done, what a dead freeze left is thawed. */
function comeToRest({ layout, log }: AgentContext): void {
  const shipped = fileURLToPath(new URL('../../scripts', import.meta.url));
  // With a rdprovider they are root's, and laid out by it.
  if (!process.env['AGENT_PROVIDER'] && existsSync(join(shipped, 'ebk_user'))) layOutScripts(layout.home, shipped);
  if (!existsSync(join(layout.run, 'freeze'))) return;
  const onText = (text: string) => log.warn({ text }, 'rdfreeze rescue');
  void rescueOnce({ ...freezerOf(layout), onText }).then((thawed) => {
    if (!thawed) log.error('something may still be frozen; see log/thirdparty.log');
  });
}

/** One agent a home. The file names its process; one that was killed leaves it behind, so the process must be there, too. */
function takeHome(layout: Layout): () => void {
  const running = readRunFile(layout);
  if (running && running.pid !== process.pid && isAlive(running.pid)) throw failure('AGENT_RUNNING', { home: layout.home });
  writeRunFile(layout, { host, port: 0, pid: process.pid, version: '', startedAt: 0 });
  return () => rmSync(layout.runFile, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('rdagent');
  } catch {
    return false;
  }
}

/** Others may read where the agent listens; only who holds the client's key gets in. */
function writeRunFile(layout: Layout, run: RunFile): void {
  writePrivateFile(layout.runFile, `${JSON.stringify(run)}\n`, 0o644);
}

function answersIn({ state, sealer, clock }: AgentContext): AnswerStore {
  return {
    get: (key) => state.idempotency.get(key, clock.now()),
    put: (key, answer) => state.idempotency.put(key, answer, clock.now()),
    fingerprint: sealer.fingerprint,
  };
}

/** Forgets what has been kept long enough. */
function tidy({ state, settings, clock }: AgentContext): void {
  const now = clock.now();
  state.idempotency.expire(now);
  const ended = oneOf('state', ['done', 'warnings', 'failed', 'cancelled', 'died']);
  const old = state.tasks.where([ended, atMost('created_at', now - settings.keepTasksDays * 24 * hour)]);
  for (const task of old) state.tasks.remove(task.id);
}

function logFailure(log: Logger, error: unknown): void {
  log.error({ err: error }, 'rdagent could not start');
}
