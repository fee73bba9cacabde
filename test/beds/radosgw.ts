// A real object store for tests: Ceph's radosgw with one monitor and one object store in memory, up in about a second, as any user.
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, needPrograms, run, startServer, stopServer } from './programs.ts';

export interface RadosgwUser {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface Radosgw extends RadosgwUser {
  /** http://127.0.0.1:PORT */
  readonly endpoint: string;
  readonly port: number;
  /** Name under which buckets are also reached as <bucket>.<dnsName>. */
  readonly dnsName: string;
  /** Runs radosgw-admin and gives what it printed. */
  admin(...args: string[]): Promise<string>;
  addUser(id: string): Promise<RadosgwUser>;
  stop(): Promise<void>;
}

const packages = 'ceph-mon ceph-osd radosgw ceph-common util-linux';
const programs = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv'];
const dnsName = 's3.localhost';

/** Starts a cluster of its own in a temporary directory. Throws, naming the apt packages, where a program is missing. */
export async function startRadosgw(): Promise<Radosgw> {
  needPrograms(programs, packages);
  const home = await mkdtemp(join(tmpdir(), 'rgw-'));
  const servers: ChildProcess[] = [];
  const stop = async () => {
    process.removeListener('exit', killAll);
    await Promise.all(servers.map(stopServer));
    await rm(home, { recursive: true, force: true });
  };
  const killAll = () => {
    for (const server of servers) server.kill('SIGKILL');
  };
  process.on('exit', killAll);

  try {
    const port = await freePort();
    const monPort = await freePort();
    const conf = join(home, 'ceph.conf');
    const common = ['-c', conf];
    const fsid = randomUUID();
    for (const folder of ['mon', 'osd', 'rgw', 'run']) await mkdir(join(home, folder));
    await writeFile(conf, configuration(home, fsid, port, monPort));
    await makeKeyring(join(home, 'keyring'));

    const monmap = join(home, 'monmap');
    await run('monmaptool', ['--create', '--addv', 'a', `[v2:127.0.0.1:${monPort}]`, '--fsid', fsid, monmap]);
    await run('ceph-mon', [...common, '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', join(home, 'keyring')]);
    servers.push(startServer('ceph-mon', [...common, '-i', 'a', '-f'], join(home, 'mon.out')));

    const osd = randomUUID();
    await run('ceph', [...common, 'osd', 'new', osd, '0']);
    await run('ceph-osd', [...common, '-i', '0', '--mkfs', '--osd-uuid', osd]);
    await run('ceph', [...common, 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=localhost']);
    servers.push(startServer('ceph-osd', [...common, '-i', '0', '-f'], join(home, 'osd.out')));
    servers.push(startServer('radosgw', [...common, '-n', 'client.rgw.a', '-f'], join(home, 'rgw.out')));

    const admin = (...args: string[]) => run('radosgw-admin', [...common, '-n', 'client.rgw.a', ...args]);
    const addUser = async (id: string): Promise<RadosgwUser> => {
      const text = await admin('user', 'create', `--uid=${id}`, `--display-name=${id}`);
      const made = JSON.parse(text) as { keys: { access_key: string; secret_key: string }[] };
      return { accessKey: made.keys[0]!.access_key, secretKey: made.keys[0]!.secret_key };
    };
    const user = await addUser('first');
    const endpoint = `http://127.0.0.1:${port}`;
    await answers(endpoint);
    return { ...user, endpoint, port, dnsName, admin, addUser, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answers(endpoint: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await (await fetch(endpoint)).arrayBuffer();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error('radosgw does not answer', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function makeKeyring(path: string): Promise<void> {
  const keys = [
    ['mon.', '--cap', 'mon', 'allow *'],
    ['client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
    ['osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
    ['client.rgw.a', '--cap', 'mon', 'allow rw', '--cap', 'osd', 'allow rwx'],
  ];
  await run('ceph-authtool', ['--create-keyring', path]);
  for (const [name, ...caps] of keys) await run('ceph-authtool', [path, '--gen-key', '-n', name!, ...caps]);
}

/** The short Paxos times, one placement group and the memory store are what makes it start in a second instead of fifteen. */
function configuration(home: string, fsid: string, port: number, monPort: number): string {
  return `[global]
fsid = ${fsid}
mon host = v2:127.0.0.1:${monPort}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${home}/keyring
run dir = ${home}/run
admin socket = ${home}/run/$name.$pid.asok
crash dir = ${home}/crash
log file = ${home}/$name.log
log to stderr = false
err to stderr = false
mon cluster log file = ${home}/cluster.log
client mount timeout = 20
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd max object name len = 256
osd max object namespace len = 64
rgw rados pool pg num min = 1
[mon]
mon data = ${home}/mon
paxos propose interval = 0.01
paxos min wait = 0.01
[osd]
osd data = ${home}/osd
osd objectstore = memstore
memstore device bytes = 17179869184
osd crush update on start = false
[client.rgw.a]
rgw data = ${home}/rgw
rgw dns name = ${dnsName}
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
`;
}
