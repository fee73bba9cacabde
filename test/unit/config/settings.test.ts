import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultSettings, readSettings } from '../../../src/config/settings.ts';

let home: string;
const file = () => join(home, 'agent.yaml');
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'stillpoint-settings-'));
});
afterAll(() => rmSync(home, { recursive: true }));

describe('settings', () => {
  it('B1 has defaults, takes the file, and lets the environment win', () => {
    expect(readSettings(join(home, 'none'), {})).toEqual(defaultSettings);
    writeFileSync(file(), 'port: 9000\ntasksAtOnce: 3\n');
    expect(readSettings(file(), {})).toEqual({ ...defaultSettings, port: 9000, tasksAtOnce: 3 });
    expect(readSettings(file(), { AGENT_PORT: '0' }).port).toBe(0);
  });

  it('B1 refuses what nobody knows or can mean', () => {
    const refuse = (text: string) => {
      writeFileSync(file(), text);
      return expect(() => readSettings(file(), {}));
    };
    refuse('prot: 1\n').toThrow('unknown key prot');
    refuse('port: many\n').toThrow('port must be integer');
    refuse('logLevel: loud\n').toThrow('logLevel must be trace or debug or info or warn or error, not "loud"');
    refuse('a: [\n').toThrow('is not usable');
    writeFileSync(file(), '');
    expect(() => readSettings(file(), { AGENT_PORT: 'x' })).toThrow('port must be integer');
  });
});
