// Buffers live outside of V8's heap, and V8 lets some 64 MB of dead ones gather before it looks. A thread that makes a few each millisecond
// asks for a minor collection now and then instead: it costs well under a millisecond and keeps the process small.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Kind = 'minor' | 'major';
type Collect = (options: { readonly type: Kind }) => void;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as Collect;

/**
 * Returns a function to be told of allocated bytes, or of whatever `each` counts; every `each` of them it collects. 'major' also takes what was
 * in use for a while and no longer is, such as the nodes of a batch; it costs about a millisecond for every 3 MB that are in use.
 */
export function collector(each: number, type: Kind = 'minor'): (bytes: number) => void {
  let gathered = 0;
  return (bytes) => {
    gathered += bytes;
    if (gathered < each) return;
    gathered = 0;
    collect({ type });
  };
}
