import { addresses } from './addresses.ts';
import { route } from './route.ts';
import * as s from './schemas-audit.ts';

// None of them has a trace: reading is not recorded, and the tracker's switch records itself.
export const auditRoutes = {
  auditList: route('audit', addresses.auditList, 'Who did what, newest first', { query: s.AuditQuery, reply: s.AuditList }),
  auditVerify: route('audit', addresses.auditVerify, 'Find out whether entries were changed or removed', { reply: s.AuditProved }),
  auditTracker: route('audit', addresses.auditTracker, 'Switch recording on or off, or tell how it is', {
    body: s.AuditSwitch,
    reply: s.AuditTracker,
  }),
} as const;
