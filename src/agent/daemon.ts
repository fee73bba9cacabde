// The agent from start to stop. The order is the story: nothing is listened to before everything that answers is there.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
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
import { atMost, oneOf } from '../state/table.ts';
import { createAlarms } from './alarms.ts';
import { createAudit } from './audit.ts';
import { renewCertificates } from './certificate-watch.ts';
import type { AgentContext } from './context.ts';
import { createDeadLocks } from './dead-locks.ts';
import { createEvents } from './events.ts';
import { rescueOnce } from './freezer.ts';
import type { AgentGround } from './ground.ts';
import { handlersOf } from './handlers.ts';
import { freezerOf, livesOf } from './host-places.ts';
import { createKeep } from './keep-file.ts';
import { startPulse } from './pulse.ts';
import { mendCatalogue, openStateOrRebuild } from './rebuild.ts';
import { createSelves } from './selves.ts';
import { sweepAfterDeath } from './sweep.ts';
import { createTaskDesk, type TaskDesk } from './task-desk.ts';
import { createTaskRunner } from './task-runner.ts';

export interface DaemonOptions {
  readonly layout: Layout;
  readonly version: string;
  readonly start: Start;
  /** Makes certificates in a process of its own: what that takes (30 MB) would never be given back. */
  readonly makeCertificates: () => void;
  /** The host's own if not given. */
  readonly clock?: Clock;
  /** Milliseconds between two looks at what is to be done. */
  readonly beat?: number;
}

export interface Daemon {
  readonly address: string;
  /** Cancels running tasks, waits for them, and leaves everything tidy. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const minute = 60 * 1000;
const hour = 60 * minute;

/** Throws AGENT_RUNNING, CONFIG_INVALID, STATE_NEWER, STATE_DAMAGED, AGENT_PORT. */
export async function startDaemon({
  layout,
  version,
  start,
  makeCertificates,
  clock = systemClock,
  beat = 15_000,
}: DaemonOptions): Promise<Daemon> {
  makeLayout(layout);
  const settings = readSettings(layout.settings);
  const release = takeHome(layout);
  const log = createLog({ level: settings.logLevel, file: layout.agentLog });
  try {
    const sealer = openSealer(layout.installationKey);
    if (needsCertificates(layout.certificates)) makeCertificates();
    const certificates = await ensureCertificates(layout.certificates);
    const { state } = openStateOrRebuild(layout, sealer, clock, log, () => process.kill(process.pid, 'SIGTERM'));
    const ground: AgentGround = { version, layout, settings, sealer, state, clock, log, bootId: bootId(), startedAt: clock.now() };
    const context: AgentContext = { ...ground, events: createEvents(ground), alarms: createAlarms(ground), audit: createAudit(ground) };

    comeToRest(context);
    const deadLocks = createDeadLocks(context, () => desk);
    const sweepImages = () => void sweepAfterDeath({ tasks: livesOf(layout), tmp: layout.tmp }, start, log);
    const desk: TaskDesk = createTaskDesk(context, createTaskRunner(context, start), ({ kind }, task) => {
      deadLocks.sweep();
      if (kind === 'died') sweepImages();
      selves.ended(task);
    });
    const selves = createSelves(context, desk);
    desk.recover();
    mendCatalogue(context, desk);
    const keep = createKeep(context);
    keep();
    deadLocks.sweep();
    sweepImages();
    tidy(context);

    let server: Server | undefined;
    const address = () => `${host}:${server?.port ?? settings.port}`;
    server = await startServer({
      host,
      port: settings.port,
      tls: { ca: certificates.ca, cert: certificates.serverCert, key: certificates.serverKey },
      version,
      handlers: handlersOf(context, desk, selves, address),
      answers: answersIn(context),
      audit(done) {
        context.audit.record(done);
        keep();
      },
      log,
    });
    const { serve } = server;
    const watch = { directory: layout.certificates, makeCertificates, serve, log, now: () => clock.now() };
    const watching = setInterval(() => void renewCertificates(watch), 24 * hour).unref();
    const pulse = startPulse(
      context,
      [
        ...selves.beats,
        { name: 'tidy', every: hour, work: () => tidy(context) },
        { name: 'keep', every: minute, work: keep },
        { name: 'rebuild', every: minute, work: () => mendCatalogue(context, desk) },
      ],
      beat,
    );
    writeRunFile(layout, { host, port: server.port, pid: process.pid, version, startedAt: context.startedAt });
    log.info({ address: address(), home: layout.home, version }, 'rdagent is ready');

    return {
      address: address(),
      async stop() {
        log.info('rdagent stops');
        pulse.stop();
        clearInterval(watching);
        rmSync(layout.runFile, { force: true });
        await desk.stop();
        await context.alarms.stop();
        keep();
        context.audit.stop();
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
