import { addresses } from './addresses.ts';
import { route } from './route.ts';
import { Removed } from './schemas-common.ts';
import { Gateway, GatewaySet } from './schemas-gateway.ts';

const resource = 'gateway';

export const gatewayRoutes = {
  gatewaySet: route('gateway', addresses.gatewaySet, 'Create the gateway, or change name, address or bandwidth', {
    body: GatewaySet,
    reply: Gateway,
    trace: { name: 'setGateway', resource },
  }),
  gatewayShow: route('gateway', addresses.gatewayShow, 'Show the gateway', { reply: Gateway }),
  gatewayRemove: route('gateway', addresses.gatewayRemove, 'Remove the gateway, once no pool in an S3 service is left', {
    reply: Removed,
    trace: { name: 'deleteGateway', resource },
  }),
} as const;
