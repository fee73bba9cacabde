import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../../src/config/layout.ts';

describe('layout', () => {
  it('B1 puts everything below AGENT_HOME, the sockets too unless AGENT_RUN says otherwise', () => {
    const layout = layoutOf({ AGENT_HOME: '/srv/agent' }, 0);
    expect(layout).toMatchObject({
      database: '/srv/agent/data/agent.db',
      runFile: '/srv/agent/run/agent/rdagent.json',
      tmp: '/srv/agent/tmp',
    });
    expect(layoutOf({ AGENT_HOME: '/srv/agent', AGENT_RUN: '/run/x' }, 0).runFile).toBe('/run/x/agent/rdagent.json');
  });

  it('B1 knows where an installation lies', () => {
    expect(layoutOf({}, 0)).toMatchObject({ home: '/home/rdadmin/Agent', run: '/run/rdagent' });
    expect(layoutOf({}, 1000).run).toBe('/home/rdadmin/Agent/run');
  });
});
