// The engine's own hot copy: asked first, then copied.
import type { MysqlSource } from '../../../model/service.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source } from '../../../ports/source.ts';
import { asking, settingsOf } from './access.ts';
import { copySource } from './copy.ts';
import { look } from './look.ts';

/** Throws USAGE, DATABASE_… errors, TOOL_MISSING and TOOL_VERSION. */
export async function mysqlPhysicalSource({ server }: MysqlSource, context: ServiceSourceContext): Promise<Source> {
  const settings = settingsOf(server);
  const looked = await asking(settings, context.signal, (ask) => look(ask, settings));
  return copySource(looked, settings, context);
}
