// The floors of docs/architecture.md: a file imports from its own folder and from lower floors only; siblings do not know each other.
const floors = [
  { name: 'base', folders: ['base'] },
  { name: 'model', folders: ['model'] },
  { name: 'ports', folders: ['ports'] },
  { name: 'protocols', folders: ['s3'] },
  {
    name: 'machines',
    folders: ['repository', 'config', 'rpc', 'host', 'state', 'backends', 'snapshots', 'quiescers', 'sources', 'databases', 'alarms'],
  },
  { name: 'engine', folders: ['engine'] },
  { name: 'agent', folders: ['agent', 'cli', 'monitor', 'provider', 'console'] },
];

const rules = floors.flatMap((floor, level) =>
  floor.folders.map((folder) => {
    const below = floors.slice(0, level).flatMap((lower) => lower.folders);
    const allowed = [folder, ...below].join('|');
    return {
      name: `floor-${folder}`,
      comment: `${folder} may import from itself and from lower floors only`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${allowed})/` },
    };
  }),
);

/** The one door between two folders of a floor: the command line may run a task in its own process (recover). */
const doors = { 'floor-cli': '^src/agent/run-standalone\\.ts$' };
for (const rule of rules) if (doors[rule.name]) rule.to.pathNot = `(${rule.to.pathNot})|(${doors[rule.name]})`;

export default {
  forbidden: [
    ...rules,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'rdagent-stays-small',
      comment: 'rdagent never loads an SDK, a database driver or native code',
      severity: 'error',
      from: { path: '^src/rdagent\\.ts$' },
      to: { path: 'node_modules/(@aws-sdk|@smithy|koffi|mysql2|pg|ioredis|tedious|hdb)', reachable: true },
    },
    {
      name: 'root-without-packages',
      comment: 'what runs as root all the time is made of this project and Node alone',
      severity: 'error',
      from: { path: '^src/(rdmonitor|rdprovider)\\.ts$' },
      to: { path: 'node_modules', reachable: true },
    },
    { name: 'not-to-dev', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
