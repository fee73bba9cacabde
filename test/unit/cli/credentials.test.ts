import { describe, expect, it } from 'vitest';
import { isCode } from '../../../src/base/errors.ts';
import { credentialsFromEnvironment, findCredentials, parseCredentials } from '../../../src/cli/credentials.ts';

const parse = (text: string) => parseCredentials(text, '/x');

describe('P2 credentials of an object store', () => {
  it('P2 reads two lines', () => {
    expect(parse('access_key=AK\nsecret_key=s=ec/ret+\n')).toEqual({ accessKey: 'AK', secretKey: 's=ec/ret+' });
    expect(parse('export AWS_ACCESS_KEY_ID="AK"\r\nAWS_SECRET_ACCESS_KEY=\'SK\'\r\nAWS_SESSION_TOKEN=T\r\n')).toEqual({
      accessKey: 'AK',
      secretKey: 'SK',
      sessionToken: 'T',
    });
  });

  it('P2 reads the section [default] of an AWS file, or the first one', () => {
    const other = '[other]\naws_access_key_id = O\naws_secret_access_key = OS\n';
    expect(parse(`# mine\n${other}\n[default]\naws_access_key_id = D\nregion = eu\naws_secret_access_key = DS\n`)).toEqual({
      accessKey: 'D',
      secretKey: 'DS',
    });
    expect(parse(other)).toEqual({ accessKey: 'O', secretKey: 'OS' });
  });

  it('P2 says what a file lacks and never what it holds', () => {
    for (const text of ['', 'access_key=AK', 'secret_key=canary', 'canary']) {
      let error: unknown;
      try {
        parse(text);
      } catch (thrown) {
        error = thrown;
      }
      expect(isCode(error, 'CREDENTIALS_FILE')).toBe(true);
      expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    }
  });

  it('P2 takes the environment, ours before that of AWS, and only whole pairs', () => {
    const aws = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'B' };
    expect(credentialsFromEnvironment(aws)).toEqual({ accessKey: 'A', secretKey: 'B' });
    expect(
      credentialsFromEnvironment({ ...aws, STILLPOINT_ACCESS_KEY: 'C', STILLPOINT_SECRET_KEY: 'D', STILLPOINT_SESSION_TOKEN: 'T' }),
    ).toEqual({
      accessKey: 'C',
      secretKey: 'D',
      sessionToken: 'T',
    });
    expect(credentialsFromEnvironment({ STILLPOINT_ACCESS_KEY: 'C' })).toBeUndefined();
  });

  it('P2 asks where somebody can be asked, and else says how to give them', async () => {
    const asked: string[] = [];
    const ask = async (question: string) => {
      asked.push(question);
      return ` ${question[0]} `;
    };
    expect(await findCredentials(undefined, {}, ask, 'x')).toEqual({ accessKey: 'A', secretKey: 'S' });
    expect(asked).toEqual(['Access key', 'Secret key']);
    await expect(findCredentials(undefined, {}, undefined, 'x')).rejects.toMatchObject({ code: 'CREDENTIALS_NEEDED', exit: 2 });
  });
});
