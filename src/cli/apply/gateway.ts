// The gateway as a file asks for it. It comes first: an address that this host does not have is refused before anything is done.
import { isIP } from 'node:net';
import { bodyOf, differences } from './change.ts';
import { judged, type Wanted } from './read.ts';
import type { Circumstances, Step } from './step.ts';

export function gatewaySteps(wanted: Wanted, { known, rules }: Circumstances): readonly Step[] {
  return wanted.gateway.map((entry) => {
    const value = { ...entry.value, ...(entry.value.address && { address: plainAddress(entry.value.address) }) };
    const before = known.gateway;
    if (value.name !== undefined) judged(entry, '/name', () => rules.name(value.name!));
    const changes = before ? differences(before, value) : [];
    const body = before ? bodyOf(changes) : value;
    return {
      kind: 'gateway',
      name: value.name ?? before?.name ?? 'gateway',
      action: !before ? 'created' : changes.length > 0 ? 'changed' : 'unchanged',
      changes,
      uses: [],
      run: async (client) => {
        if (!before || changes.length > 0) await client.call('gatewaySet', { body });
      },
    };
  });
}

/** As the agent keeps it: `2001:DB8:0::1` and `2001:db8::1` are the same. */
const plainAddress = (text: string): string =>
  isIP(text) === 6 && !text.includes('%') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;
