// The gateway: by which address, and how fast, backups leave.
import { type Static, Type } from 'typebox';
import { strict, Time } from './schemas-common.ts';

export const Gateway = strict({
  id: Type.String(),
  tenant: Type.String({ description: 'each has one gateway' }),
  name: Type.String(),
  state: Type.Union([Type.Literal('available'), Type.Literal('error')]),
  stateDetail: Type.String({ description: 'why it cannot be used now' }),
  address: Type.Union([Type.String(), Type.Null()], { description: 'IPv4 or IPv6 of this host; null: as its routes say' }),
  bandwidth: Type.Integer({ description: 'bytes a second; 0 for no limit' }),
  pools: Type.Integer({ description: 'pools in S3 services, which are reached by it' }),
  createdAt: Time,
  updatedAt: Time,
});
export type Gateway = Static<typeof Gateway>;

export const GatewaySet = strict({
  name: Type.Optional(Type.String({ description: '1-64 letters, digits, _ or -; gateway if not given' })),
  address: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
  bandwidth: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type GatewaySet = Static<typeof GatewaySet>;
