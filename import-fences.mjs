import { dirname, join, relative } from 'node:path';

/**
 * Who may import what: one table, held by lint. Imports point one way,
 *
 *     protocol <- core <- bus <- lifecycle <- services     runtime imports nothing of ours
 *                      <- client <- services
 *
 * and inside a package from one room to those that it may know. Type imports count as well.
 */

const NATS = /^(nats|@nats-io\/.+)$/;
const WS = /^ws$/;
const PROM = /^prom-client$/;
const NODE = /^node:/;
const ZOD = /^zod$/;
/** Modules that only few may import: what they are for, and who may is said below. */
const GUARDED = [
  [NATS, 'nats is imported only by bus: one door to the store'],
  [
    WS,
    'ws is imported only by the edge’s transports and the client’s node-platform.ts: rules know no sockets',
  ],
  [PROM, 'prom-client is imported only by runtime: a hot path does not know who counts it'],
];

const SHARED = ['protocol', 'protocol/schema', 'core', 'core/parts', 'bus', 'lifecycle', 'client', 'runtime'];
const SERVICE_SAYS = 'a service imports shared packages, never another service or the testkit';

/**
 * The first entry whose `files` match decides.
 * - `ours`: packages of this repository that may be imported, by their bare names
 * - `opens`: guarded modules that may be
 * - `closed`: other modules that may not be, with the reason
 */
const PLACES = [
  {
    files: /^shared\/protocol\/src\//,
    ours: [],
    says: 'protocol is the root: it imports nothing of ours',
    closed: [[NODE, 'protocol is pure: no I/O']],
  },
  {
    files: /^shared\/core\/src\//,
    ours: ['protocol', 'protocol/schema'],
    says: 'core imports only protocol',
    closed: [[NODE, 'core is pure: no I/O']],
  },
  {
    files: /^shared\/runtime\/src\//,
    ours: [],
    says: 'runtime imports nothing of ours',
    opens: [PROM],
  },
  {
    files: /^shared\/bus\/src\//,
    ours: ['protocol', 'protocol/schema', 'core'],
    says: 'bus imports only protocol and core',
    opens: [NATS],
  },
  {
    files: /^shared\/lifecycle\/src\//,
    ours: ['protocol', 'core', 'bus'],
    says: 'lifecycle imports only protocol, core and bus',
  },
  {
    files: /^shared\/client\/src\/node-platform[^/]*\.ts$/,
    ours: ['protocol', 'protocol/schema', 'core'],
    says: 'client imports only protocol and core',
    opens: [WS],
    closed: [[ZOD, 'the SDK carries no validator']],
  },
  {
    files: /^shared\/client\/src\//,
    ours: ['protocol', 'protocol/schema', 'core', 'core/parts'],
    says: 'client imports only protocol and core',
    closed: [
      [NODE, 'the SDK runs in browsers'],
      [ZOD, 'the SDK carries no validator'],
    ],
  },
  {
    files: /^shared\/simulator\/src\//,
    ours: ['protocol', 'protocol/schema', 'core'],
    says: 'simulator imports only protocol and core',
  },
  {
    files: /^shared\/testkit\/src\//,
    ours: ['protocol', 'protocol/schema', 'runtime'],
    says: 'testkit imports only protocol and runtime',
    opens: [NATS, WS],
  },
  {
    files: /^services\/loadgen\/src\/peers\//,
    ours: [...SHARED, 'testkit'],
    says: 'the load generator imports shared packages and the testkit, never a service',
    opens: [NATS, WS],
  },
  {
    files: /^services\/loadgen\/src\//,
    ours: [...SHARED, 'testkit'],
    says: 'the load generator imports shared packages and the testkit, never a service',
    opens: [WS],
  },
  {
    files: /^services\/web\/src\//,
    ours: ['protocol', 'protocol/schema', 'core', 'client'],
    says: 'the web app imports only protocol, core and client',
    closed: [[NODE, 'the web app runs in browsers']],
  },
  {
    // The real worker with another engine: the one place where a service builds on another.
    files: /^services\/cli\/src\/demo-worker\//,
    ours: ['worker', 'simulator', 'runtime'],
    says: 'the demo’s worker imports only the worker, the simulator and runtime',
  },
  { files: /^services\/edge\/src\/transports\//, ours: SHARED, says: SERVICE_SAYS, opens: [WS] },
  { files: /^services\/[^/]+\/(src|bin)\//, ours: SHARED, says: SERVICE_SAYS },
  {
    files: /^(shared|services)\/[^/]+\/test\//,
    ours: [...SHARED, 'testkit', 'simulator'],
    says: 'a package’s tests import shared packages; tests of the whole system live in e2e',
    opens: [NATS, WS, PROM],
  },
];

/**
 * Rooms of a package, and which others each imports from: only such as stand before it, so that no arrow points up. A file
 * at the top that is named here is a room of its own; the others compose the rooms, and no room imports them.
 */
const ROOMS = {
  'shared/client/src': {
    'clock.ts': [],
    'emitter.ts': [],
    'errors.ts': [],
    'new-id.ts': [],
    link: ['clock.ts', 'errors.ts'],
    generation: ['clock.ts', 'emitter.ts', 'errors.ts'],
    connection: ['clock.ts', 'errors.ts', 'link'],
    session: ['clock.ts', 'emitter.ts', 'errors.ts', 'new-id.ts', 'connection', 'generation'],
  },
  'services/edge/src': {
    auth: [],
    tally: [],
    strangers: [],
    usage: [],
    feeds: ['tally'],
    requests: ['auth', 'tally'],
    connections: ['auth', 'tally', 'strangers', 'usage', 'feeds', 'requests'],
    transports: ['auth', 'feeds', 'connections'],
    http: ['auth', 'connections', 'transports'],
    api: ['auth', 'usage', 'requests', 'connections', 'transports', 'http'],
    openai: ['auth', 'requests', 'connections', 'transports', 'http'],
    'ai-sdk': ['auth', 'feeds', 'requests', 'connections', 'transports', 'http'],
  },
  'services/worker/src': {
    engines: [],
    tally: [],
    peers: ['tally'],
    runs: ['tally', 'peers'],
    jobs: ['tally', 'peers', 'runs'],
  },
};

for (const [source, rooms] of Object.entries(ROOMS)) {
  const before = new Set();
  for (const [room, wanted] of Object.entries(rooms)) {
    const up = wanted.find((other) => !before.has(other));
    if (up !== undefined)
      throw new TypeError(`${source}: ${room} imports from ${up}, which does not stand before it`);
    before.add(room);
  }
}

const INTO_A_PACKAGE = /^(@sluice\/[^/]+|\.{1,2}\/.*[^./][^/]*)\/(src|dist)(\/|$)/;

/** @returns why a file must not import a module, or undefined */
const faultOf = (file, module) => {
  if (INTO_A_PACKAGE.test(module)) return 'import the bare package name, not a path into a package';
  if (module.startsWith('.')) return roomFault(file, join(dirname(file), module));
  const place = PLACES.find(({ files }) => files.test(file));
  if (place === undefined) return undefined;
  const { ours, says, opens = [], closed = [] } = place;
  if (module.startsWith('@sluice/') && !ours.includes(module.slice('@sluice/'.length))) return says;
  const shut = [...GUARDED.filter(([pattern]) => !opens.includes(pattern)), ...closed];
  return shut.find(([pattern]) => pattern.test(module))?.[1];
};

const roomFault = (from, to) => {
  const source = Object.keys(ROOMS).find((folder) => from.startsWith(`${folder}/`));
  if (source === undefined || !to.startsWith(`${source}/`)) return undefined;
  const rooms = ROOMS[source];
  const roomOf = (file) => file.slice(source.length + 1).split('/')[0];
  const [room, wanted] = [roomOf(from), roomOf(to)];
  if (room === wanted) return undefined;
  if (rooms[room] === undefined)
    return room.endsWith('.ts') ? undefined : `${source}: name the room ${room} in import-fences.mjs`;
  if (rooms[room].includes(wanted)) return undefined;
  return `${room} imports nothing from ${wanted}, see import-fences.mjs`;
};

const oneWay = {
  create(context) {
    const file = relative(context.cwd, context.filename);
    const check = (node) => {
      const fault = typeof node.source?.value === 'string' ? faultOf(file, node.source.value) : undefined;
      if (fault !== undefined) context.report({ node, message: `${node.source.value}: ${fault}` });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};

/** A plugin of oxlint's. */
export default { meta: { name: 'fences' }, rules: { 'one-way': oneWay } };
