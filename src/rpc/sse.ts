// Server-sent events (HTML living standard, section 9.2), as much of them as the RPC uses: `event`, `data` and comments.
import type { Readable } from 'node:stream';
import { linesOf } from '../base/lines.ts';

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

export function formatServerSentEvent(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export async function* readServerSentEvents(stream: Readable): AsyncGenerator<ServerSentEvent> {
  let event = 'message';
  let data: string[] = [];
  for await (const line of linesOf(stream)) {
    if (line === '') {
      if (data.length > 0) yield { event, data: data.join('\n') };
      event = 'message';
      data = [];
    } else if (line.startsWith('event:')) event = line.slice(6).trimStart();
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
  }
}
