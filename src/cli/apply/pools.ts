// Pools as a file asks for them. A pool does not move: what it is bound to stays.
import { isAbsolute, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Place } from '../../model/pool.ts';
import type { Pool } from '../../rpc/schemas-pools.ts';
import { parseCredentials } from '../credentials.ts';
import { readTextFile } from '../files.ts';
import { bodyOf, differences, secretChange } from './change.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import type { FilePool } from './schema.ts';
import type { Circumstances, Step } from './step.ts';

export function poolSteps(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  const taken = circumstances.known.pools.map(({ name, place }) => ({ name, place: place as Place }));
  return wanted.pools.map((entry) => {
    const { name } = entry.value;
    const place = placeOf(entry, circumstances);
    judged(entry, '/name', () => circumstances.rules.name(name));
    judged(entry, '/remark', () => circumstances.rules.description(entry.value.remark ?? ''));
    const before = circumstances.known.pools.find((pool) => pool.name === name);
    const other = taken.find((pool) => pool.name !== name && isDeepStrictEqual(doorOf(pool.place), doorOf(place)));
    if (other) entry.wrong('/place', `this place belongs to the pool ${other.name} already`);
    taken.push({ name, place });
    return before ? changing(entry, before, place, wanted, circumstances) : binding(entry, place, wanted);
  });
}

function binding(entry: Entry<FilePool>, place: Place, wanted: Wanted): Step {
  const { credentialsFile, ...body } = entry.value;
  if (place.type === 's3' && credentialsFile === undefined)
    entry.wrong('', `the pool ${body.name} is to be bound to a bucket: credentialsFile is missing`);
  const credentials = credentialsOf(credentialsFile, wanted);
  return {
    kind: 'pool',
    name: body.name,
    action: 'created',
    changes: [],
    uses: [],
    run: async (client) => void (await client.call('poolBind', { body: { ...body, ...credentials } })),
  };
}

function changing(entry: Entry<FilePool>, before: Pool, place: Place, wanted: Wanted, { renewSecrets }: Circumstances): Step {
  const { name, remark, bandwidth, credentialsFile, place: asked } = entry.value;
  if (!isDeepStrictEqual(withoutTrust(place), withoutTrust(before.place)))
    entry.wrong('/place', `the pool ${name} is bound to ${before.location}, and a pool does not move: choose another name for this place`);
  const caPem = asked.type === 's3' && before.place.type === 's3' && asked.caPem !== before.place.caPem ? asked.caPem : undefined;
  const open = differences({ ...before, caPem: before.place.type === 's3' ? before.place.caPem : '' }, { remark, bandwidth, caPem });
  const renews = credentialsFile !== undefined && (renewSecrets || !before.hasCredentials);
  const credentials = renews ? credentialsOf(credentialsFile, wanted) : {};
  const changes = [...open, ...(renews ? [secretChange('credentials', before.hasCredentials, credentialsFile)] : [])];
  return {
    kind: 'pool',
    name,
    action: changes.length > 0 ? 'changed' : 'unchanged',
    changes,
    uses: [],
    run: async (client) => {
      if (changes.length > 0) await client.call('poolUpdate', { params: { id: before.id }, body: { ...bodyOf(open), ...credentials } });
    },
  };
}

function placeOf(entry: Entry<FilePool>, { rules }: Circumstances): Place {
  const { place, credentialsFile } = entry.value;
  if (place.type === 's3') return judged(entry, '/place/endpoint', () => rules.bucket(place));
  if (credentialsFile !== undefined) entry.wrong('/credentialsFile', 'a directory has no credentials');
  if (!isAbsolute(place.path)) entry.wrong('/place/path', `${place.path} is not an absolute path`);
  return { type: 'local', path: resolve(place.path) };
}

function credentialsOf(file: string | undefined, wanted: Wanted) {
  if (file === undefined) return {};
  const path = wanted.path(file);
  return { credentials: parseCredentials(readTextFile(path), path) };
}

/** What makes two pools the same place. */
const doorOf = (place: Place) =>
  place.type === 'local' ? place : { type: place.type, endpoint: place.endpoint, bucket: place.bucket, prefix: place.prefix };

/** Certificates may be replaced. */
const withoutTrust = (place: Place | Pool['place']) => ({ ...place, caPem: '' });
