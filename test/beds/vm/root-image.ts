// A small Debian that boots in qemu: built once by mmdebstrap from the host's own Debian archive, kept as an ext4 image beside its kernel. A
// machine that is started from it never writes to it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needPrograms, run } from '../programs.ts';

export interface RootImage {
  readonly kernel: string;
  readonly initrd: string;
  /** An ext4 file system, raw. */
  readonly disk: string;
}

const suite = 'bookworm';
const packages = [
  ...[
    'linux-image-cloud-amd64',
    'initramfs-tools',
    'systemd-sysv',
    'udev',
    'openssh-server',
    'procps',
    'iproute2',
    'kmod',
    'util-linux-extra',
  ],
  ...[
    'lvm2',
    'thin-provisioning-tools',
    'e2fsprogs',
    'xfsprogs',
    'btrfs-progs',
    'attr',
    'acl',
    'rsync',
    'libatomic1',
    'mariadb-server',
    'mariadb-client',
  ],
];

/** What is in it besides packages. `product` is the disk of product-disk.ts: it brings the key that may log in. */
const files: Readonly<Record<string, string>> = {
  'etc/fstab':
    'LABEL=product /srv/product ext4 defaults 0 0\nLABEL=modules /srv/product/node_modules ext4 defaults,x-systemd.requires-mounts-for=/srv/product 0 0\n',
  'etc/hosts': '127.0.0.1 localhost stillpoint-vm\n',
  'etc/hostname': 'stillpoint-vm\n',
  'etc/machine-id': '',
  'etc/systemd/network/all.network': '[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n',
  'etc/ssh/sshd_config':
    'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\nAuthorizedKeysFile /srv/product/.vm/key.pub\n',
};
const links: Readonly<Record<string, string>> = {
  'etc/systemd/system/multi-user.target.wants/systemd-networkd.service': '/lib/systemd/system/systemd-networkd.service',
  ...Object.fromEntries(
    [
      'mariadb.service',
      'apt-daily.timer',
      'apt-daily-upgrade.timer',
      'e2scrub_all.timer',
      'e2scrub_reap.service',
      'getty@tty1.service',
    ].map((unit) => [`etc/systemd/system/${unit}`, '/dev/null']),
  ),
};

/** Where images are kept from one run to the next. */
export const imageCache = (): string => process.env['STILLPOINT_VM_CACHE'] || join(tmpdir(), 'stillpoint-vm');

/** Builds it if there is none yet, in a minute or two; needs root and the Debian archive. */
export async function rootImage(): Promise<RootImage> {
  needPrograms(['mmdebstrap', 'mke2fs'], 'mmdebstrap e2fsprogs');
  const recipe = createHash('sha256')
    .update(JSON.stringify([suite, mmdebstrapOptions, files, links]))
    .digest('hex')
    .slice(0, 16);
  const folder = join(imageCache(), `root-${recipe}`);
  if (!existsSync(folder)) await build(folder);
  return { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img'), disk: join(folder, 'disk') };
}

async function build(folder: string): Promise<void> {
  mkdirSync(imageCache(), { recursive: true });
  const work = mkdtempSync(`${folder}.`);
  const root = join(work, 'root');
  try {
    const sources = join(work, 'debian.sources');
    writeFileSync(sources, archive());
    await run('mmdebstrap', [...mmdebstrapOptions, suite, root, sources], { timeout: 900_000 });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
    for (const [path, target] of Object.entries(links)) {
      rmSync(join(root, path), { force: true });
      symlinkSync(target, join(root, path));
    }
    mkdirSync(join(root, 'srv/product'));
    const boot = readdirSync(join(root, 'boot'));
    for (const name of ['vmlinuz', 'initrd.img']) {
      const found = boot.find((one) => one.startsWith(`${name}-`));
      if (found === undefined) throw new Error(`the kernel package brought no ${name}`);
      renameSync(join(root, 'boot', found), join(work, name));
    }
    await makeImage(join(work, 'disk'), 'root', root, '6G');
    rmSync(root, { recursive: true });
    if (!existsSync(folder)) renameSync(work, folder); // another test process may have done the same
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Drivers for the disks alone: a short way through the initial RAM disk. */
const hook =
  'mkdir -p "$1/etc/initramfs-tools/conf.d"; echo MODULES=list >"$1/etc/initramfs-tools/conf.d/vm"; printf "virtio_pci\\nvirtio_blk\\next4\\n" >"$1/etc/initramfs-tools/modules"';
const mmdebstrapOptions = [
  ...['--mode=root', '--variant=minbase', '--quiet', `--include=${packages.join(',')}`, '--aptopt=APT::Install-Recommends "false"'],
  ...['doc', 'man', 'locale'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
  `--essential-hook=${hook}`,
];

/** The host's own Debian archive, from the deb822 stanza that names it. */
function archive(): string {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sources')) : [];
  for (const stanza of names.flatMap((name) => readFileSync(join(folder, name), 'utf8').split(/\n\s*\n/))) {
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza)?.[1]?.trim();
    if (!/^Types:.*\bdeb\b/im.test(stanza) || !/^(bookworm|trixie|stable|forky|sid)\b/.test(field('Suites') ?? '')) continue;
    const signed = field('Signed-By');
    return `Types: deb\nURIs: ${field('URIs')}\nSuites: ${suite}\nComponents: main\n${signed ? `Signed-By: ${signed}\n` : ''}`;
  }
  throw new Error('apt is set up with no Debian archive');
}

/** An ext4 image of a folder, without mounting anything. `size`: as mke2fs takes it; what is free stays a hole. */
export async function makeImage(path: string, label: string, folder: string, size: string): Promise<void> {
  const options = ['-q', '-F', '-t', 'ext4', '-L', label, '-E', 'root_owner=0:0,lazy_itable_init=1', '-m', '0', '-d', folder];
  await run('mke2fs', [...options, path, size], { timeout: 300_000 });
}
