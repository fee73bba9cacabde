// A server that speaks just enough TDS 7.4 for npm's tedious: login, batches, result sets, errors, attention. Source: [MS-TDS].
import { createServer, type Socket } from 'node:net';

/** A result set by rows; an error; or nothing until attention. Several are answered one after another. */
export type TdsAnswer =
  | readonly Readonly<Record<string, string | number | boolean | null>>[]
  | { readonly error: number; readonly text: string };

export interface TdsServer {
  readonly port: number;
  /** `session: batch`, blanks collapsed, and `session: attention`. */
  readonly said: string[];
  /** The answers of a batch, 'wait' for none before attention, 'cut' for the end of the line. */
  answer: (batch: string, session: number) => readonly TdsAnswer[] | 'wait' | 'cut';
  /** The text of the error that logins get. */
  refuse: string | undefined;
  /** Attention is not answered. */
  deaf: boolean;
  /** Sessions that are connected. */
  open(): number;
  stop(): Promise<void>;
}

const packet = { batch: 1, reply: 4, attention: 6, login: 16, prelogin: 18 };
const token = { columns: 0x81, error: 0xaa, loginAck: 0xad, row: 0xd1, done: 0xfd };
const done = { final: 0, more: 1, error: 2, attention: 0x20 };

export async function startTdsServer(): Promise<TdsServer> {
  const sockets = new Set<Socket>();
  let last = 50;
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, server, ++last);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const server: TdsServer = {
    port: (listener.address() as { port: number }).port,
    said: [],
    answer: () => [],
    refuse: undefined,
    deaf: false,
    open: () => sockets.size,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}

function serve(socket: Socket, server: TdsServer, session: number): void {
  let input = Buffer.alloc(0);
  let message = Buffer.alloc(0);
  let waiting = false;
  const reply = (...tokens: readonly Buffer[]) => {
    const body = Buffer.concat(tokens);
    const head = Buffer.from([packet.reply, 1, 0, 0, 0, session & 0xff, 1, 0]);
    head.writeUInt16BE(8 + body.length, 2);
    socket.write(Buffer.concat([head, body]));
  };
  const take = (type: number, body: Buffer) => {
    if (type === packet.prelogin) reply(prelogin());
    if (type === packet.login)
      reply(...(server.refuse ? [errorToken(18_456, server.refuse), doneToken(done.error)] : [loginAck(), doneToken()]));
    if (type === packet.attention) {
      server.said.push(`${session}: attention`);
      if (server.deaf) return;
      // The batch that is broken off is answered first, then the attention, each with a message of its own.
      if (waiting) reply(doneToken(done.error));
      waiting = false;
      reply(doneToken(done.attention));
    }
    if (type !== packet.batch) return;
    const batch = body.subarray(body.readUInt32LE(0)).toString('utf16le').replace(/\s+/g, ' ').trim();
    // The driver's own first batch sets its options.
    if (/^set (ansi|textsize|quoted)/i.test(batch)) return reply(doneToken());
    server.said.push(`${session}: ${batch}`);
    const answers = server.answer(batch, session);
    if (answers === 'cut') socket.destroy();
    else if (answers === 'wait') waiting = true;
    else reply(...answers.flatMap(answerTokens), doneToken());
  };
  socket.on('data', (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
    while (input.length >= 8 && input.length >= input.readUInt16BE(2)) {
      const length = input.readUInt16BE(2);
      const [type, status] = [input[0]!, input[1]!];
      message = Buffer.concat([message, input.subarray(8, length)]);
      input = input.subarray(length);
      if ((status & 1) === 0) continue;
      const whole = message;
      message = Buffer.alloc(0);
      take(type, whole);
    }
  });
}

function answerTokens(answer: TdsAnswer): readonly Buffer[] {
  if ('error' in answer) return [errorToken(answer.error, answer.text), doneToken(done.more | done.error)];
  const names = Object.keys(answer[0] ?? {});
  if (names.length === 0) return [doneToken(done.more)];
  const kinds = names.map((name) => (answer.some((row) => typeof row[name] === 'string') ? 'text' : 'number'));
  return [columnsToken(names, kinds), ...answer.map((row) => rowToken(names, kinds, row)), doneToken(done.more)];
}

/** VERSION, ENCRYPTION (not supported), INSTOPT, THREADID, MARS. */
function prelogin(): Buffer {
  const values = [Buffer.from([16, 0, 16, 0, 0, 0]), Buffer.from([2]), Buffer.from([0]), Buffer.alloc(4), Buffer.from([0])];
  let offset = values.length * 5 + 1;
  const heads = values.map((value, index) => {
    const head = Buffer.from([index, 0, 0, 0, value.length]);
    head.writeUInt16BE(offset, 1);
    offset += value.length;
    return head;
  });
  return Buffer.concat([...heads, Buffer.from([0xff]), ...values]);
}

function loginAck(): Buffer {
  const body = Buffer.concat([Buffer.from([1, 0x74, 0, 0, 4]), shortText('Microsoft SQL Server'), Buffer.from([16, 0, 0, 0])]);
  return sized(token.loginAck, body);
}

function errorToken(number: number, text: string): Buffer {
  const head = Buffer.alloc(6);
  head.writeInt32LE(number, 0);
  head.set([1, 16], 4);
  const characters = Buffer.alloc(2);
  characters.writeUInt16LE(text.length);
  return sized(token.error, Buffer.concat([head, characters, wide(text), shortText('fake'), shortText(''), Buffer.alloc(4)]));
}

function doneToken(status = done.final): Buffer {
  const body = Buffer.alloc(13);
  body[0] = token.done;
  body.writeUInt16LE(status, 1);
  return body;
}

type Kind = 'text' | 'number';

function columnsToken(names: readonly string[], kinds: readonly Kind[]): Buffer {
  const head = Buffer.from([token.columns, names.length, 0]);
  const columns = names.map((name, index) => {
    // NVARCHAR(4000) with a collation, or INTN of 8 bytes.
    const type = kinds[index] === 'text' ? [0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34] : [0x26, 8];
    return Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 0, ...type]), shortText(name)]);
  });
  return Buffer.concat([head, ...columns]);
}

function rowToken(names: readonly string[], kinds: readonly Kind[], row: Readonly<Record<string, unknown>>): Buffer {
  const values = names.map((name, index) => {
    const value = row[name];
    if (kinds[index] === 'text') {
      const text = wide(String(value ?? ''));
      const length = Buffer.alloc(2);
      length.writeUInt16LE(value === null ? 0xffff : text.length);
      return Buffer.concat([length, value === null ? Buffer.alloc(0) : text]);
    }
    if (value === null) return Buffer.from([0]);
    const number = Buffer.alloc(9);
    number[0] = 8;
    number.writeBigInt64LE(BigInt(Number(value)), 1);
    return number;
  });
  return Buffer.concat([Buffer.from([token.row]), ...values]);
}

function sized(type: number, body: Buffer): Buffer {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16LE(body.length, 1);
  return Buffer.concat([head, body]);
}

const wide = (text: string) => Buffer.from(text, 'utf16le');
const shortText = (text: string) => Buffer.concat([Buffer.from([text.length]), wide(text)]);
