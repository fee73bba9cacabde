import { describe, expect, it } from 'vitest';
import { mysqlFreezer } from '../../../src/databases/mysql/freeze.ts';
import { addressOf, addressText, readSettings } from '../../../src/databases/mysql/settings.ts';

describe('the settings of the mysql scripts', () => {
  it('A1 what is left empty has its usual value', () => {
    expect(readSettings({ user: 'b', socket: '/s', 'longest-query': '', 'longest-wait': '' })).toEqual({
      address: { socket: '/s' },
      user: 'b',
      password: '',
      ca: '',
      longestQuery: 10,
      longestWait: 3,
    });
    expect(
      readSettings({ user: 'b', password: 'p', host: 'db', port: '3307', ca: '/ca.pem', 'longest-query': '2', 'longest-wait': '5' }),
    ).toEqual({
      address: { host: 'db', port: 3307 },
      user: 'b',
      password: 'p',
      ca: '/ca.pem',
      longestQuery: 2,
      longestWait: 5,
    });
  });

  it('A1 without a socket or host the first usual socket is taken, else the port of this host', () => {
    expect(addressOf({}, (path) => path === '/var/lib/mysql/mysql.sock')).toEqual({ socket: '/var/lib/mysql/mysql.sock' });
    expect(addressText(addressOf({}, () => false))).toBe('127.0.0.1:3306');
  });

  it('A1 what cannot be is refused before anything is opened', () => {
    const quiescer = (settings: Readonly<Record<string, string>>) => () => mysqlFreezer.quiescer(settings, () => undefined);
    expect(quiescer({})).toThrow('the user of MySQL is not set');
    expect(quiescer({ user: 'b', socket: '/s', host: 'db' })).toThrow('not both');
    expect(quiescer({ user: 'b', socket: 's' })).toThrow('no absolute path');
    for (const bad of [
      { port: '0' },
      { port: '65536' },
      { port: '33o6' },
      { 'longest-query': '-1' },
      { 'longest-wait': '61' },
      { 'longest-wait': '0.5' },
    ]) {
      expect(quiescer({ user: 'b', ...bad })).toThrow(/must be a whole number from 1 to/);
    }
  });

  it('A1 a line that leaves this host needs certificates, one that does not needs none', () => {
    expect(readSettings({ user: 'b', host: '127.0.0.1' }).ca).toBe('');
    expect(readSettings({ user: 'b', host: 'localhost' }).ca).toBe('');
    const quiescer = (settings: Readonly<Record<string, string>>) => () => readSettings({ user: 'b', ...settings });
    expect(quiescer({ host: 'db.example' })).toThrow('the host db.example of MySQL is not this one: set ca');
    expect(quiescer({ host: '203.0.113.9' })).toThrow('is not this one: set ca');
    expect(quiescer({ host: 'db.example', ca: 'ca.pem' })).toThrow('absolute path');
    expect(quiescer({ socket: '/s', ca: '/ca.pem' })).toThrow('needs a host');
  });

  it('house only the password is a secret', () => {
    const secrets = Object.entries(mysqlFreezer.settings).filter(([, setting]) => setting.secret);
    expect(secrets.map(([name]) => name)).toEqual(['password']);
  });
});
