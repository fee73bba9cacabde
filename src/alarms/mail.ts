// A mail by SMTP: plain text, one to all receivers. The library is loaded when there is a mail to send.
import { connect, isIP, type Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import type { AlarmSink, Alert } from '../ports/alarm-sink.ts';
import { headline, patience, refused, saidBack } from './words.ts';

export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** `starttls`: the server must offer it; `tls`: from the first byte; `none`: in the open, whatever is offered. */
  readonly tls: 'starttls' | 'tls' | 'none';
  readonly user?: string;
  readonly password?: string;
  readonly from: string;
  readonly to: readonly string[];
  /** To trust besides the system's. */
  readonly caPem?: string;
}

export function mailSink(name: string, settings: MailSettings): AlarmSink {
  const { host, port, tls, user, password, from, to, caPem } = settings;
  return {
    async tell(alert, signal) {
      const { createTransport } = await import('nodemailer');
      let socket: Socket | undefined;
      // nodemailer cannot be called off: the connection is ours, so that it ends with our patience.
      const over = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
      const transport = createTransport({
        host,
        port,
        secure: tls === 'tls',
        requireTLS: tls === 'starttls',
        ignoreTLS: tls === 'none',
        disableFileAccess: true,
        disableUrlAccess: true,
        tls: { ...(isIP(host) === 0 && { servername: host }), minVersion: 'TLSv1.2', ...(caPem && { ca: [...rootCertificates, caPem] }) },
        ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
        getSocket: (_options: unknown, done: (error: Error | null, given?: { readonly connection: Socket }) => void) => {
          open(host, port, over).then(
            (connection) => {
              socket = connection;
              done(null, { connection });
            },
            (error: Error) => done(error),
          );
        },
      } as Parameters<typeof createTransport>[0]);
      const gone = new Promise<never>((_, reject) => {
        over.addEventListener('abort', () => reject(new Error(`the server did not take it within ${patience / 1000} s`)), { once: true });
      });
      gone.catch(() => undefined);
      try {
        const { id, kind, at } = alert;
        const messageId = `<${id}.${kind}.${at}@stillpoint.invalid>`;
        const sent = transport.sendMail({ from, to: [...to], subject: headline(alert), text: textOf(alert), messageId });
        const { rejected } = (await Promise.race([sent, gone])) as { readonly rejected?: readonly unknown[] };
        if (rejected?.length) throw new Error(`the server refused ${rejected.map(String).join(', ')}`);
      } catch (error) {
        throw refused(name, saidBack((error as Error).message, [password, password && base64(password)]), error);
      } finally {
        transport.close();
        socket?.destroy();
      }
    },
  };
}

function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('the agent is stopping'));
    const socket = connect({ host, port });
    const stop = () => socket.destroy(new Error('called off'));
    signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => resolve(socket)).once('error', reject);
    socket.once('close', () => signal.removeEventListener('abort', stop));
  });
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

function textOf(alert: Alert): string {
  const { kind, content, type, level, subject, at, hostname, agentId, id } = alert;
  const rows = [
    ['Alarm', `${type} (${level})`],
    ['About', subject.kind === 'agent' ? 'the agent' : `${subject.kind} ${subject.name} (${subject.id})`],
    [kind === 'clear' ? 'Over since' : 'Since', new Date(at).toISOString()],
    ['Host', `${hostname} (agent ${agentId})`],
    ['ID', id],
  ];
  const end = kind === 'raise' ? 'You will be told when it is over. See agentcli alarm list.' : '';
  return `${content}\n\n${rows.map(([label, value]) => `${label}: ${value}`).join('\n')}\n${end && `\n${end}\n`}`;
}
