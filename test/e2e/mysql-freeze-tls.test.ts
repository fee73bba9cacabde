// A line that others could read is encrypted, and a server that cannot prove itself gets no password.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mariaBench } from '../beds/maria-bench.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { password, seconds } from '../beds/sql-bench.ts';

describe('MariaDB 10.11 over TLS', () => {
  const { quiescer, refusal, sql, port, dir } = mariaBench((home) => {
    const { cert, key } = selfSigned();
    writeFileSync(join(home, 'cert.pem'), cert);
    writeFileSync(join(home, 'key.pem'), key);
    writeFileSync(join(home, 'other.pem'), selfSigned().cert);
    return { 'ssl-cert': join(home, 'cert.pem'), 'ssl-key': join(home, 'key.pem') };
  });

  const over = (host: string, ca: string) => quiescer({ user: 'secure', host, port: String(port()), ...(ca && { ca: join(dir(), ca) }) });

  it('A1 with ca the line is encrypted, and freezes by it', async () => {
    await sql(`CREATE USER secure IDENTIFIED BY '${password}' REQUIRE SSL; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO secure`);
    expect((await refusal(over('127.0.0.1', '').freeze(seconds(60)))).code).toBe('DATABASE_LOGIN');
    const one = over('127.0.0.1', 'cert.pem');
    await one.freeze(seconds(60));
    await one.held();
    expect(await one.thaw()).toEqual({});
  });

  it('A22 a server that does not prove itself is told apart from one that is down, and learns no password', async () => {
    const stranger = await refusal(over('127.0.0.1', 'other.pem').freeze(seconds(60)));
    expect(stranger).toMatchObject({
      code: 'DATABASE_FAILED',
      message: expect.stringMatching(/^MySQL could not prove itself by .*other\.pem: /),
    });
    // The certificate names the address only.
    const renamed = await refusal(over('localhost', 'cert.pem').freeze(seconds(60)));
    expect(renamed).toMatchObject({ code: 'DATABASE_FAILED', message: expect.stringContaining('could not prove itself') });
    expect((await refusal(over('127.0.0.1', 'absent.pem').freeze(seconds(60)))).code).toBe('FILE_UNREADABLE');
  });
});
