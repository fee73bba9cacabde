// The RPC: HTTP/JSON over mutual TLS on loopback. Who shows a certificate of this installation is administrator.
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { asStillpointError, failure, StillpointError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { shapeOf } from '../base/shape.ts';
import type { Trace as Done } from '../model/trace.ts';
import { auditedOf, type RequestParts } from './audited.ts';
import type { Call, Caller, Handlers, TaskOutput } from './handlers.ts';
import { type AnswerStore, createIdempotency } from './idempotency.ts';
import { toDocument } from './problems.ts';
import { type Route, type RouteName, routes, type Trace } from './routes.ts';
import { ProblemDocument, type TaskStreamEvent } from './schemas.ts';
import { beginOutput, eventStream } from './streams.ts';

/** PEM texts. */
export interface ServerCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ServerSettings {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly tls: ServerCertificates;
  readonly version: string;
  readonly handlers: Handlers;
  readonly answers: AnswerStore;
  readonly log: Logger;
  /** Told of every operation that changes something, refused ones too. */
  readonly audit?: (done: Done) => void;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  /** Shows other certificates to whoever connects from now on. */
  serve(certificates: ServerCertificates): void;
  /** Takes no more requests and cuts those that still stream. */
  close(): Promise<void>;
}

type LooseHandler = (input: unknown, call: Call) => unknown;

const tlsVersions = { minVersion: 'TLSv1.2' } as const;
const maxBodyBytes = 4 * 1024 * 1024;

export async function startServer(settings: ServerSettings): Promise<Server> {
  const app = await createApp(settings);
  try {
    await app.listen({ host: settings.host, port: settings.port });
  } catch (error) {
    await app.close();
    throw failure('AGENT_PORT', { address: `${settings.host}:${settings.port}`, detail: (error as Error).message }, { cause: error });
  }
  const { port } = app.server.address() as AddressInfo;
  return {
    host: settings.host,
    port,
    serve: (certificates) => (app.server as unknown as TlsServer).setSecureContext({ ...certificates, ...tlsVersions }),
    close: () => app.close(),
  };
}

export async function createApp(settings: ServerSettings): Promise<FastifyInstance> {
  const { tls, handlers, log } = settings;
  const app = Fastify({
    https: { ...tls, requestCert: true, rejectUnauthorized: true, ...tlsVersions },
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    // One schema checker for all parts of a request, with messages for people; answers are built from typed objects.
    ajv: { customOptions: { strict: false } },
  }) as unknown as FastifyInstance;
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const shape = shapeOf(schema as never);
    const prepare = httpPart === 'body' ? (value: unknown) => value ?? {} : shape.convert;
    return (input) => {
      const value = prepare(input);
      const fault = shape.fault(value);
      return fault ? { error: failure('USAGE', { detail: fault }) } : { value };
    };
  });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Stillpoint agent', version: settings.version, description: 'RPC of one agent' } },
  });

  const once = createIdempotency(settings.answers);
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    app.route({
      method: route.method,
      url: route.path,
      schema: describe(name, route),
      config: { trace: route.trace },
      handler: (request, reply) => answer(route, audited(route, handlers[name] as LooseHandler, settings), request, reply, once),
    });
  }
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger());
  app.setNotFoundHandler((request, reply) => {
    send(reply, failure('USAGE', { detail: `there is no ${request.method} ${request.url}` }), 404);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = fromFramework(error);
    const { trace } = request.routeOptions.config as { readonly trace?: Trace };
    if (trace) settings.audit?.(auditedOf(trace, request, callerOf(request), { code: known.code }));
    if (known.code === 'INTERNAL') log.error({ err: error, method: request.method, url: request.url.split('?')[0] }, 'request failed');
    send(reply, known, error instanceof StillpointError ? undefined : error.statusCode);
  });
  return app;
}

/** Within the work itself, so that an answer that is only repeated is no second entry. Refusals are told where all errors arrive. */
function audited(route: Route, handler: LooseHandler, { audit }: ServerSettings): LooseHandler {
  const { trace } = route;
  if (!trace || !audit) return handler;
  return async (input, call) => {
    const body = await handler(input, call);
    audit(auditedOf(trace, input as RequestParts, call.caller, { body }));
    return body;
  };
}

function fromFramework(error: FastifyError): StillpointError {
  if (error instanceof StillpointError) return error;
  // Faults of the request itself (no JSON, too large, wrong content type) carry a 4xx status.
  if (error.statusCode && error.statusCode < 500) return failure('USAGE', { detail: error.message }, { cause: error });
  return asStillpointError(error);
}

function send(reply: FastifyReply, error: StillpointError, status?: number): void {
  const document = toDocument(error.toProblem(), status);
  void reply.code(document.status).type('application/problem+json').send(JSON.stringify(document));
}

async function answer(
  route: Route,
  handler: LooseHandler,
  request: FastifyRequest,
  reply: FastifyReply,
  once: ReturnType<typeof createIdempotency>,
): Promise<unknown> {
  const gone = new AbortController();
  reply.raw.on('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  const input = { params: request.params, query: request.query, body: request.body };
  const call: Call = { signal: gone.signal, caller: callerOf(request) };
  if (route.kind === 'events') {
    void reply.header('cache-control', 'no-store').type('text/event-stream');
    return reply.send(eventStream(handler(input, call) as AsyncIterable<TaskStreamEvent>));
  }
  if (route.kind === 'lines' || route.kind === 'bytes') {
    const output = (await handler(input, call)) as TaskOutput;
    void reply.header('x-task-id', output.taskId);
    const body = await beginOutput(output, route.kind);
    return reply.type(route.kind === 'lines' ? 'application/x-ndjson' : 'application/octet-stream').send(body);
  }
  if (route.kind === 'text') return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await handler(input, call));
  const work = async () => ({ status: route.status, body: await handler(input, call) });
  const key = request.headers['idempotency-key'];
  const text = `${route.method} ${request.url}\n${JSON.stringify(request.body ?? null)}`;
  const done =
    route.method === 'POST' && typeof key === 'string' && key !== ''
      ? await once({ key, text, once: route.once ?? false }, work)
      : await work();
  return reply.code(done.status).send(done.body);
}

/** All who get in show the installation's own certificate; agentcli says for whom it asks. */
function callerOf(request: FastifyRequest): Caller {
  const said = request.headers['x-stillpoint-user'];
  const name = typeof said === 'string' && /^[A-Za-z0-9_.@-]{1,64}$/.test(said) ? said : 'unknown';
  return { name, address: request.ip };
}

function describe(name: RouteName, route: Route): object {
  const { params, query, body } = route;
  const content: Readonly<Record<Exclude<Route['kind'], 'json'>, string>> = {
    events: 'text/event-stream',
    lines: 'application/x-ndjson',
    bytes: 'application/octet-stream',
    text: 'text/plain',
  };
  const success =
    route.kind === 'json'
      ? { description: 'Done', content: { 'application/json': { schema: route.reply } } }
      : { description: 'A stream', content: { [content[route.kind]]: { schema: { type: 'string' } } } };
  const problem = { description: 'What failed', content: { 'application/problem+json': { schema: ProblemDocument } } };
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.area],
    ...(params && { params }),
    ...(query && { querystring: query }),
    ...(body && { body }),
    response: { [route.status]: success, default: problem },
  };
}
