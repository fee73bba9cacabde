import { addresses } from './addresses.ts';
import { route } from './route.ts';
import * as s from './schemas-events.ts';

export const eventRoutes = {
  eventList: route('events', addresses.eventList, 'What happened, newest first', { query: s.EventQuery, reply: s.EventList }),
} as const;
