// Lets a suspended SQL Server go: by the session that suspended it, else from the other one, else by ending the session; and proves it.
import { fail } from '../../base/errors.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { within } from '../bounds.ts';
import { detailOf } from '../sessions.ts';
import { noServer } from './failures.ts';
import type { Connect } from './session.ts';
import type { Access } from './settings.ts';
import { kill, off, record, status } from './statements.ts';
import { rowsOf, type Suspension } from './suspension.ts';

/** Times in ms; `all` is for everything together. */
const patience = { all: 4500, cancel: 800, record: 1500, off: 800, ask: 500, connect: 800, poll: 20 };

interface Budget {
  left(): number;
  soon<T>(work: Promise<T>, ms: number): Promise<T>;
}

/** Throws FREEZE_THAW_FAILED; may be called again then. */
export async function release(
  name: string,
  access: Access,
  suspension: Suspension,
  connect: Connect,
  tell: (line: string) => void,
): Promise<FreezeFacts> {
  const budget = budgetOf(patience.all);
  const facts = await byItsSession(suspension, budget, tell);
  try {
    await byOthers(access, suspension, budget, connect, tell);
  } catch (error) {
    // The end of the session lets go as well, only that nobody has seen it yet.
    suspension.hold.close();
    suspension.watch.close();
    if (!noServer(error)) fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
  }
  suspension.hold.close();
  suspension.watch.close();
  return facts;
}

function budgetOf(ms: number): Budget {
  const until = performance.now() + ms;
  const left = () => until - performance.now();
  return { left, soon: (work, most) => within(work, Math.min(most, left()), () => new Error('the server does not answer')) };
}

async function byItsSession(suspension: Suspension, budget: Budget, tell: (line: string) => void): Promise<FreezeFacts> {
  const { hold, batch, proof, session, metadata } = suspension;
  if (!batch || suspension.ended !== undefined || hold.lost()) return {};
  try {
    hold.cancel();
    await budget.soon(batch, patience.cancel);
    if (proof && metadata !== '') {
      try {
        await budget.soon(hold.query(record(metadata)), patience.record);
        tell(`SQL Server recorded the snapshot in ${metadata}`);
        return { metadata };
      } catch (error) {
        tell(`SQL Server did not write ${metadata}: ${detailOf(error)}`);
      }
    }
    await budget.soon(hold.query(off), patience.off);
  } catch (error) {
    // What counts is what the server says of it afterwards.
    tell(`session ${session} could not let go: ${detailOf(error)}`);
  }
  return {};
}

async function byOthers(
  access: Access,
  suspension: Suspension,
  budget: Budget,
  connect: Connect,
  tell: (line: string) => void,
): Promise<void> {
  const { batch, hold, session } = suspension;
  if (!batch) return;
  const suspended = async (): Promise<boolean> => {
    if (suspension.watch.lost()) suspension.watch = await connect(access, patience.connect);
    return rowsOf(await budget.soon(suspension.watch.query(status), patience.ask), session).length > 0;
  };
  if (!(await suspended())) return;
  for (const statement of [off, kill(session)]) {
    await budget.soon(suspension.watch.query(statement), patience.off).catch((error: unknown) => tell(`${statement}: ${detailOf(error)}`));
    if (!(await suspended())) return;
  }
  hold.close();
  while (await suspended()) {
    if (budget.left() < patience.poll) throw new Error(`what session ${session} suspended is still suspended`);
    await new Promise((resolve) => setTimeout(resolve, patience.poll));
  }
}
