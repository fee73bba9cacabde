// One freeze, in a process of its own: rdfreeze (orders on descriptor 3, events on 4), rdfreeze rescue, rdfreeze database … (freeze scripts).
import { layoutOf } from './config/layout.ts';

process.umask(0o077);
const [verb] = process.argv.slice(2);
if (verb === 'database') {
  const { serveDatabase } = await import('./agent/holder.ts');
  process.exitCode = await serveDatabase(process.argv.slice(2));
} else if (verb === 'rescue') {
  const { rescue } = await import('./agent/freeze-rescue.ts');
  const { thawed, problems } = await rescue(layoutOf());
  for (const name of thawed) console.error(`thawed: ${name}`);
  for (const { detail, hint } of problems) console.error(`error: ${detail}\nhint: ${hint}`);
  process.exitCode = problems[0]?.exit ?? 0;
} else if (verb === undefined) {
  const { serveFreeze } = await import('./agent/freeze-side.ts');
  process.exitCode = await serveFreeze();
} else {
  console.error('usage: rdfreeze [rescue | database NAME freeze|unfreeze ID]');
  process.exitCode = 2;
}
process.exit();
