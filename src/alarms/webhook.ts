// A web hook: one POST with the alert as JSON.
import { createHmac } from 'node:crypto';
import { type IncomingMessage, request as requestPlainly } from 'node:http';
import { request as requestSafely } from 'node:https';
import { rootCertificates } from 'node:tls';
import { StillpointError } from '../base/errors.ts';
import type { AlarmSink, Alert } from '../ports/alarm-sink.ts';
import { patience, refused, saidBack } from './words.ts';

export interface WebhookSettings {
  /** http or https; may hold a token. */
  readonly url: string;
  /** `bearer`: the secret is sent as a token; `hmac`: the body is signed with it and the secret stays here. */
  readonly auth: 'none' | 'bearer' | 'hmac';
  readonly secret?: string;
  readonly timeoutSeconds: number;
  /** To trust besides the system's. */
  readonly caPem?: string;
}

/** Bytes of an answer that are read. */
const mostAnswer = 4096;

/** `sha256=` and the HMAC-SHA256 of the body, in hex: what the header x-stillpoint-signature holds. */
export const signatureOf = (body: string, secret: string): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** Whatever is not 2xx is a refusal; redirects are not followed, for they could lead the secret anywhere. */
export function webhookSink(name: string, settings: WebhookSettings): AlarmSink {
  const { secret, auth, timeoutSeconds, caPem } = settings;
  const url = new URL(settings.url);
  const secrets = [secret, settings.url, url.pathname.length > 1 ? url.pathname : undefined, url.search || undefined];
  const wait = Math.min(timeoutSeconds * 1000, patience);

  function post(body: string, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'stillpoint',
      ...(auth === 'bearer' && secret && { authorization: `Bearer ${secret}` }),
      ...(auth === 'hmac' && secret && { 'x-stillpoint-signature': signatureOf(body, secret) }),
    };
    const options = { method: 'POST', headers, signal, agent: false, ...(caPem && { ca: [...rootCertificates, caPem] }) } as const;
    return new Promise((resolve, reject) => {
      const sent = url.protocol === 'https:' ? requestSafely(url, options, resolve) : requestPlainly(url, options, resolve);
      sent.on('error', reject);
      sent.end(body);
    });
  }

  return {
    async tell(alert, signal) {
      const late = AbortSignal.timeout(wait);
      try {
        const answer = await post(JSON.stringify(alert satisfies Alert), AbortSignal.any([signal, late]));
        const status = answer.statusCode ?? 0;
        const said = saidBack(await beginningOf(answer), secrets);
        if (status >= 200 && status < 300) return;
        const more = status >= 300 && status < 400 ? ' (a redirect, which is not followed)' : said && `: ${said}`;
        throw refused(name, `it answered ${status}${more}`);
      } catch (error) {
        if (error instanceof StillpointError) throw error;
        if (late.aborted) throw refused(name, `it did not answer within ${wait / 1000} s`, error);
        throw refused(name, saidBack((error as Error).message || String((error as { code?: string }).code), secrets), error);
      }
    },
  };
}

async function beginningOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) {
    text += piece as string;
    if (text.length >= mostAnswer) break;
  }
  return text;
}
