// Who thaws when rdfreeze is killed and whoever started it is dead, too: a shell that waits at a pipe, and at its end runs rdfreeze rescue.
// Should rdfreeze have been stopped (SIGSTOP), it is woken at the limit and then sees by itself what time it is. One that still gives no sign of
// life is killed, which ends what it holds.
import { spawn } from 'node:child_process';
import { startOf } from '../base/process-id.ts';

export interface Heir {
  /** Nothing is frozen any more: it goes without doing anything. */
  dismiss(): void;
}

const script = `
trap '' HUP INT QUIT TERM PIPE USR1 USR2 ALRM
pid=$1 start=$2 wait=$3 patience=$4
shift 4
lives() {
  stat=$(cat "/proc/$pid/stat" 2> /dev/null) || return 1
  set -- \${stat##*) }
  [ "\${20}" = "$start" ]
}
signal=CONT
while :; do
  said=$(timeout -s KILL "$wait" cat)
  case $? in
    0) break ;;
    137) ;;
    *) said=$(cat); break ;;
  esac
  # It is at it.
  [ "$signal" = KILL ] && [ -n "$said" ] && continue
  lives && kill -"$signal" "$pid"
  signal=KILL wait=$patience
done
case $said in *over) exit 0 ;; esac
for pause in 1 2 5 10 30 60; do
  "$@" && exit 0
  sleep "$pause"
done
while ! "$@"; do sleep 60; done
`;

/** Until then rdfreeze is expected to be at it by itself. */
const graceSeconds = 1;
/** From its waking to its end, where it gives no sign of life. */
const patienceSeconds = 5;
/** Signs of life (ms). */
const beatMs = 1000;

/** To be called before the first freeze. */
export function appointHeir(limitMs: number, rescueCommand: readonly string[]): Heir {
  const seconds = (limitMs / 1000 + graceSeconds).toFixed(2);
  const facts = [process.pid, startOf(process.pid), seconds, patienceSeconds].map(String);
  const child = spawn('/bin/sh', ['-c', script, 'rdfreeze-heir', ...facts, ...rescueCommand], {
    cwd: '/',
    // A session of its own: what kills the agent's process group does not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  child.stdin?.on('error', () => undefined);
  const beat = setInterval(() => child.stdin?.write('.'), beatMs).unref();
  return {
    dismiss() {
      clearInterval(beat);
      child.stdin?.end('over');
    },
  };
}
