import { z } from 'zod';
import { nameOf } from './tools.ts';
import type { Manifest } from './tools.ts';

const NOBODY = 65534;

const amounts = z.looseObject({ cpu: z.string(), memory: z.string() });
const container = z.looseObject({
  name: z.string(),
  image: z.string(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  ports: z.array(z.looseObject({ name: z.string().optional() })).default([]),
  resources: z.looseObject({ requests: amounts.optional(), limits: amounts.optional() }).default({}),
  securityContext: z
    .looseObject({
      allowPrivilegeEscalation: z.boolean().optional(),
      readOnlyRootFilesystem: z.boolean().optional(),
      privileged: z.boolean().optional(),
      capabilities: z
        .looseObject({ drop: z.array(z.string()).optional(), add: z.unknown().optional() })
        .optional(),
    })
    .default({}),
});
const pod = z.looseObject({
  automountServiceAccountToken: z.boolean().optional(),
  hostNetwork: z.boolean().optional(),
  hostPID: z.boolean().optional(),
  securityContext: z
    .looseObject({
      runAsNonRoot: z.boolean().optional(),
      runAsUser: z.number().optional(),
      seccompProfile: z.looseObject({ type: z.string() }).optional(),
    })
    .default({}),
  volumes: z.array(z.looseObject({ hostPath: z.unknown().optional() })).default([]),
  initContainers: z.array(container).default([]),
  containers: z.array(container),
});
const workload = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: pod,
    }),
  }),
});
export type Container = z.infer<typeof container>;
type Pod = z.infer<typeof pod>;

const WORKLOADS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'Job', 'DaemonSet', 'CronJob']);

/** The pods of all workloads, by whose they are. */
export const podsOf = (
  manifests: readonly Manifest[],
): readonly {
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: Pod;
}[] =>
  manifests
    .filter(({ kind }) => WORKLOADS.has(kind))
    .map((manifest) => {
      const { metadata, spec } = workload.parse(manifest).spec.template;
      return { owner: nameOf(manifest), labels: metadata.labels, pod: spec };
    });

export const containersOf = ({ initContainers, containers }: Pod): readonly Container[] => [
  ...initContainers,
  ...containers,
];

type Rule<Subject> = readonly [expected: string, holds: (subject: Subject) => boolean];

const POD_RULES: readonly Rule<Pod>[] = [
  ['no token of a service account', (each) => each.automountServiceAccountToken === false],
  ['runAsNonRoot', (each) => each.securityContext.runAsNonRoot === true],
  [`runAsUser ${NOBODY}`, (each) => each.securityContext.runAsUser === NOBODY],
  [
    'the seccomp profile of the runtime',
    (each) => each.securityContext.seccompProfile?.type === 'RuntimeDefault',
  ],
  ['no namespace of the host', (each) => each.hostNetwork !== true && each.hostPID !== true],
  ['no folder of the host', (each) => each.volumes.every(({ hostPath }) => hostPath === undefined)],
];

/** Tags that say which version it is: `latest` and none do not. */
const isPinned = (image: string): boolean => /(:v?\d+(\.\d+)*[\w.-]*|@sha256:[0-9a-f]{64})$/.test(image);

/** `$(NAME)` stands for what is named before it, and for itself otherwise. */
const areKnown = (env: Container['env']): boolean =>
  env.every(({ value = '' }, at) =>
    [...value.matchAll(/\$\(([^)]+)\)/g)].every(([, name]) =>
      env.slice(0, at).some((each) => each.name === name),
    ),
  );
const isSecret = (name: string): boolean => /PASSWORD$|SECRET$|_KEY$|TOKEN$/.test(name);

const CONTAINER_RULES: readonly Rule<Container>[] = [
  ['no new privileges', (each) => each.securityContext.allowPrivilegeEscalation === false],
  ['not privileged', (each) => each.securityContext.privileged !== true],
  ['a read-only root', (each) => each.securityContext.readOnlyRootFilesystem === true],
  ['all capabilities dropped', (each) => each.securityContext.capabilities?.drop?.includes('ALL') === true],
  ['no capability added', (each) => each.securityContext.capabilities?.add === undefined],
  ['requests of CPU and memory', (each) => each.resources.requests !== undefined],
  ['limits of CPU and memory', (each) => each.resources.limits !== undefined],
  ['an image of a version', (each) => isPinned(each.image)],
  ['variables that refer to earlier ones', (each) => areKnown(each.env)],
  [
    'secrets by reference',
    (each) =>
      each.env.every(({ name, value }) => !isSecret(name) || value === undefined || value.startsWith('"$(')),
  ],
];

const broken = <Subject>(rules: readonly Rule<Subject>[], subject: Subject, name: string): string[] =>
  rules.filter(([, holds]) => !holds(subject)).map(([expected]) => `${name}: expected ${expected}`);

/** What manifests do that we do not let them. */
export const violations = (manifests: readonly Manifest[]): readonly string[] =>
  podsOf(manifests).flatMap(({ owner, pod: each }) => [
    ...broken(POD_RULES, each, owner),
    ...containersOf(each).flatMap((one) => broken(CONTAINER_RULES, one, `${owner}, ${one.name}`)),
  ]);
