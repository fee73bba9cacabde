// What stands on top of a freeze script, on its way to the agent.
import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../../src/agent/holder-settings.ts';

describe('A1 settings of a freeze script', () => {
  it('A1 are lines name=value; empty ones count as left out', () => {
    expect(parseSettings('user=u\r\npassword=a=b c==\n\nsocket=\nlongest-query=10')).toEqual({
      user: 'u',
      password: 'a=b c==',
      'longest-query': '10',
    });
    expect(parseSettings('')).toEqual({});
  });

  it('A1 that are none are refused by their line, and never shown', () => {
    for (const text of ['user=u\ncanary', 'user=u\nCanary=x', 'user=u\n=canary']) {
      expect(() => parseSettings(text)).toThrow('line 2 of the settings is not name=value');
      expect(() => parseSettings(text)).not.toThrow(/canary/i);
    }
  });
});
