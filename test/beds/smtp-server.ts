// A small SMTP server (RFC 5321) that keeps what it is sent: STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954) if told to.
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface SmtpMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly encrypted: boolean;
  readonly login: string;
}

export interface SmtpServer {
  readonly port: number;
  readonly mails: readonly SmtpMail[];
  /** Commands as they came, without the data. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}

interface SmtpWishes {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** TLS from the first byte instead of STARTTLS. */
  readonly atOnce?: boolean;
  /** `user:password` that is let in; everybody if left out. */
  readonly login?: string;
  /** Answers to RCPT that are not 250. */
  readonly refuse?: (receiver: string) => string | undefined;
  /** Says nothing at all. */
  readonly silent?: boolean;
}

export async function smtpServer({ tls, atOnce, login, refuse, silent }: SmtpWishes = {}): Promise<SmtpServer> {
  const mails: SmtpMail[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const secureContext = tls && createSecureContext(tls);
  const secured = (socket: Socket) => new TLSSocket(socket, { isServer: true, ...(secureContext && { secureContext }) });

  async function talk(socket: Socket, encrypted: boolean, greeting: boolean): Promise<void> {
    const say = (text: string) => socket.write(`${text}\r\n`);
    if (greeting) say('220 mail.test ESMTP');
    let [from, user, data] = ['', '', undefined as string[] | undefined];
    let to: string[] = [];
    const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      if (data) {
        if (line !== '.') return void data.push(line.replace(/^\./, ''));
        mails.push({ from, to, text: data.join('\n'), encrypted, login: user });
        data = undefined;
        return void say('250 taken');
      }
      commands.push(line);
      const [word = ''] = line.toUpperCase().split(' ');
      if (word === 'EHLO') {
        const offers = [...(tls && !encrypted ? ['STARTTLS'] : []), ...(login ? ['AUTH PLAIN'] : []), '8BITMIME'];
        say(['mail.test', ...offers].map((offer, i, all) => `250${i < all.length - 1 ? '-' : ' '}${offer}`).join('\r\n'));
      } else if (word === 'STARTTLS') {
        lines.close();
        socket.removeAllListeners('data');
        say('220 go ahead');
        void talk(secured(socket), true, false);
      } else if (word === 'AUTH') {
        const [, name, password] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0');
        user = `${name}:${password}`;
        say(user === login ? '235 welcome' : `535 no such login ${user}`);
      } else if (word === 'MAIL') {
        from = /<(.*?)>/.exec(line)?.[1] ?? '';
        to = [];
        say('250 ok');
      } else if (word === 'RCPT') {
        const receiver = /<(.*?)>/.exec(line)?.[1] ?? '';
        const answer = refuse?.(receiver);
        if (!answer) to.push(receiver);
        say(answer ?? '250 ok');
      } else if (word === 'DATA') {
        data = [];
        say('354 go on');
      } else say(word === 'QUIT' ? '221 bye' : '250 ok');
    });
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (!silent) void talk(atOnce ? secured(socket) : socket, Boolean(atOnce), true);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    mails,
    commands,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
