// What rdmonitor's processes get of its own environment: named variables, so that nothing of root's reaches rdagent's user.
const kept = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS', 'SystemRoot'];

/** And all AGENT_… */
export function keptEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(environment).filter(([name]) => kept.includes(name) || name.startsWith('AGENT_'));
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
