// Receivers of alarms against real servers and real processes.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { commandSink } from '../../src/alarms/command.ts';
import { mailSink } from '../../src/alarms/mail.ts';
import { signatureOf, webhookSink } from '../../src/alarms/webhook.ts';
import { type Answer, type HttpReceiver, httpReceiver } from '../beds/http-receiver.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { type SmtpServer, smtpServer } from '../beds/smtp-server.ts';
import { alarmSinkContract, alertOf } from '../contract/alarm-sink.ts';

const folder = mkdtempSync(join(tmpdir(), 'alarm-sinks-'));
const tls = selfSigned();
const never = new AbortController().signal;
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function receiver(answer?: Answer, safe?: typeof tls): Promise<HttpReceiver> {
  const made = await httpReceiver(answer, safe);
  open.push(made);
  return made;
}

async function smtp(wishes: Parameters<typeof smtpServer>[0]): Promise<SmtpServer> {
  const made = await smtpServer(wishes);
  open.push(made);
  return made;
}

const thrown = (work: Promise<unknown>) =>
  work.then(
    () => '',
    (error: Error) => error.message,
  );

describe('web hook', () => {
  alarmSinkContract('web hook', async () => {
    let mood: 'fine' | 'refuse' | 'hang' = 'fine';
    const server = await httpReceiver((heard, response) => {
      if (mood === 'fine') response.writeHead(200).end('ok');
      if (mood === 'refuse') response.writeHead(403).end(`no thanks, ${heard.headers.authorization} at ${heard.path}`);
    });
    const sink = webhookSink('hook', { url: `${server.url}/in/T0KEN-of-path`, auth: 'bearer', secret: 's3cret-token', timeoutSeconds: 20 });
    return {
      sink,
      told: () => server.heard.map(({ body }) => body),
      refuse: () => {
        mood = 'refuse';
      },
      hang: () => {
        mood = 'hang';
      },
      secret: 's3cret-token',
      remove: () => server.close(),
    };
  });

  it('M2 posts the alert as JSON over TLS, with the token, to who has the certificate', async () => {
    const server = await receiver(undefined, tls);
    const settings = { url: `${server.url}/x?y=1`, auth: 'bearer', secret: 'tok', timeoutSeconds: 10, caPem: tls.cert } as const;
    await webhookSink('hook', settings).tell(alertOf(), never);
    expect(server.heard[0]).toMatchObject({
      method: 'POST',
      path: '/x?y=1',
      headers: { authorization: 'Bearer tok', 'content-type': 'application/json' },
    });
    expect(JSON.parse(server.heard[0]!.body)).toEqual(alertOf());
    const { caPem: _ca, ...stranger } = settings;
    expect(await thrown(webhookSink('hook', stranger).tell(alertOf(), never))).toMatch(/certificate|self-signed/i);
    expect(server.heard).toHaveLength(1);
  });

  it('M2 signs the body and keeps the secret to itself', async () => {
    const server = await receiver();
    await webhookSink('hook', { url: server.url, auth: 'hmac', secret: 'shared', timeoutSeconds: 10 }).tell(alertOf(), never);
    const [{ headers, body }] = server.heard as [(typeof server.heard)[number]];
    expect(headers['x-stillpoint-signature']).toBe(signatureOf(body, 'shared'));
    expect(headers.authorization).toBeUndefined();
    expect(JSON.stringify(headers) + body).not.toContain('shared');
  });

  it('M2 follows no redirect, so that a token goes nowhere else', async () => {
    const elsewhere = await receiver();
    const server = await receiver((_heard, response) => void response.writeHead(307, { location: elsewhere.url }).end());
    const sink = webhookSink('hook', { url: server.url, auth: 'bearer', secret: 'tok', timeoutSeconds: 10 });
    expect(await thrown(sink.tell(alertOf(), never))).toMatch(/307.*redirect/);
    expect(elsewhere.heard).toEqual([]);
  });

  it('M2 gives up on one that never answers, or never ends its answer, by itself', async () => {
    for (const answer of [() => undefined, (_heard: unknown, response: Parameters<Answer>[1]) => void response.writeHead(200).write('x')]) {
      const server = await receiver(answer);
      const sink = webhookSink('hook', { url: server.url, auth: 'none', timeoutSeconds: 1 });
      expect(await thrown(sink.tell(alertOf(), never))).toMatch(/within 1 s/);
    }
  });

  it('M2 says that nobody is there', async () => {
    const server = await httpReceiver();
    await server.close();
    expect(await thrown(webhookSink('hook', { url: server.url, auth: 'none', timeoutSeconds: 5 }).tell(alertOf(), never))).toMatch(
      /ECONNREFUSED/,
    );
  });
});

describe('mail', () => {
  const settings = (port: number) => ({
    host: '127.0.0.1',
    port,
    from: 'backup@db1.test',
    to: ['ops@a.test', 'boss@b.test'],
    tls: 'none' as const,
  });

  alarmSinkContract('mail', async () => {
    let refusing = false;
    const server = await smtpServer({ login: 'me:s3cret-pass', refuse: () => (refusing ? '550 no thanks s3cret-pass' : undefined) });
    const silent = await smtpServer({ silent: true });
    let port = server.port;
    return {
      sink: { tell: (alert, signal) => mailSink('post', { ...settings(port), user: 'me', password: 's3cret-pass' }).tell(alert, signal) },
      told: () => server.mails.map(({ text }) => text),
      refuse: () => {
        refusing = true;
      },
      hang: () => {
        port = silent.port;
      },
      secret: 's3cret-pass',
      remove: async () => {
        await server.close();
        await silent.close();
      },
    };
  });

  it('M2 sends one plain mail to all, encrypted by STARTTLS before the password', async () => {
    const server = await smtp({ tls, login: 'me:pass' });
    await mailSink('post', { ...settings(server.port), tls: 'starttls', user: 'me', password: 'pass', caPem: tls.cert }).tell(
      alertOf(),
      never,
    );
    expect(server.mails).toMatchObject([{ from: 'backup@db1.test', to: ['ops@a.test', 'boss@b.test'], encrypted: true, login: 'me:pass' }]);
    const { text } = server.mails[0]!;
    expect(text).toMatch(/^Subject: stillpoint MAJOR db1: BACKUP_FAILED of plan shop$/m);
    expect(text).toContain('nightly failed: the disk is full');
    expect(text).toMatch(/^Content-Type: text\/plain/m);
    expect(server.commands.findIndex((line) => line.startsWith('STARTTLS'))).toBeLessThan(
      server.commands.findIndex((line) => line.startsWith('AUTH')),
    );
  });

  it('M2 speaks TLS from the first byte, and to nobody whose certificate it does not know', async () => {
    const server = await smtp({ tls, atOnce: true });
    await mailSink('post', { ...settings(server.port), tls: 'tls', caPem: tls.cert }).tell(alertOf({ kind: 'clear' }), never);
    expect(server.mails[0]!.text).toMatch(/^Subject: stillpoint CLEARED db1/m);
    expect(await thrown(mailSink('post', { ...settings(server.port), tls: 'tls' }).tell(alertOf(), never))).toMatch(
      /certificate|self-signed/i,
    );
    expect(server.mails).toHaveLength(1);
  });

  it('M2 sends nothing in the open when STARTTLS was asked for and is not offered', async () => {
    const server = await smtp({ login: 'me:pass' });
    const sink = mailSink('post', { ...settings(server.port), tls: 'starttls', user: 'me', password: 'pass' });
    expect(await thrown(sink.tell(alertOf(), never))).toMatch(/post/);
    expect(server.mails).toEqual([]);
    expect(server.commands.some((line) => line.startsWith('AUTH'))).toBe(false);
  });

  it('M2 is not content when one of several receivers is refused', async () => {
    const server = await smtp({ refuse: (to) => (to.startsWith('boss') ? '550 gone' : undefined) });
    expect(await thrown(mailSink('post', settings(server.port)).tell(alertOf(), never))).toMatch(/boss@b\.test/);
  });
});

describe('command', () => {
  const out = join(folder, 'told');
  const script = (text: string): readonly [string, ...string[]] => {
    const path = join(folder, `script-${Math.random()}`);
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return [path, 'fixed'];
  };

  alarmSinkContract('command', async () => {
    rmSync(out, { force: true });
    let words = script(`[ $# = 1 ] && [ "$1" = fixed ] || exit 9; cat >> ${out}`);
    return {
      sink: { tell: (alert, signal) => commandSink('pager', words).tell(alert, signal) },
      told: () => (existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n') : []),
      refuse: () => {
        words = script('echo "no thanks" >&2; exit 3');
      },
      hang: () => {
        words = script('sleep 60 & wait');
      },
      remove: async () => rmSync(out, { force: true }),
    };
  });

  it('M2 gives the alert as JSON on standard input, with nothing of the environment', async () => {
    process.env['A_SECRET_OF_THE_AGENT'] = 'x';
    await commandSink('pager', script(`{ cat; env; } > ${out}`)).tell(alertOf(), never);
    delete process.env['A_SECRET_OF_THE_AGENT'];
    const [first = '', ...rest] = readFileSync(out, 'utf8').split('\n');
    expect(JSON.parse(first)).toEqual(alertOf());
    expect(rest.join('\n')).not.toContain('SECRET');
  });

  it('M2 ends one that does not end, with all that it started', async () => {
    const pidFile = join(folder, 'pid');
    const words = script(`sleep 600 & echo $! > ${pidFile}; wait`);
    expect(await thrown(commandSink('pager', words, 500).tell(alertOf(), never))).toMatch(/did not end/);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await expect.poll(() => stateOf(pid), { timeout: 10_000 }).toMatch(/gone|Z/);
  });

  it('M2 takes one that does not read its input, and says of one that is not there', async () => {
    await commandSink('pager', script('exit 0')).tell(alertOf({ content: 'x'.repeat(500_000) }), never);
    expect(await thrown(commandSink('pager', ['/nowhere/at-all']).tell(alertOf(), never))).toMatch(/could not be started \(ENOENT\)/);
  });
});

function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] ?? 'gone';
  } catch {
    return 'gone';
  }
}
