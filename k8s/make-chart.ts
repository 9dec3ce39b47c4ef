/** Makes the Helm chart of what kustomize builds: there is one source of what runs, and the chart cannot lag behind it. */
import { stringify } from 'yaml';

export type Document = {
  readonly kind: string;
  readonly metadata: { readonly name: string };
};

/** Texts of the manifests that are values of the chart, the longer ones first. */
const TEXTS: readonly (readonly [text: string, value: string])[] = [
  ['ghcr.io/sluice/sluice:0.1.0', 'image'],
  ['http://prometheus.monitoring:9090', 'keda.prometheus'],
  ['http://model-router:8000/v1', 'router.upstream'],
  ['vllm/vllm-openai:v0.11.0', 'vllm.image'],
  ['nats:2.15.1-alpine', 'nats.image'],
  ['sluice.example.com', 'host'],
  ['Qwen/Qwen3-8B', 'vllm.model'],
  ['letsencrypt', 'ingress.clusterIssuer'],
];

/** Numbers and names of one field: where it is, and the value's name. */
const FIELDS: readonly (readonly [document: string, path: readonly string[], value: string])[] = [
  ['Deployment sluice-worker', ['spec', 'replicas'], 'router.replicas'],
  ['HorizontalPodAutoscaler sluice-edge', ['spec', 'minReplicas'], 'edge.minReplicas'],
  ['HorizontalPodAutoscaler sluice-edge', ['spec', 'maxReplicas'], 'edge.maxReplicas'],
  ['ScaledObject sluice-worker-vllm', ['spec', 'minReplicaCount'], 'keda.minReplicas'],
  ['ScaledObject sluice-worker-vllm', ['spec', 'maxReplicaCount'], 'keda.maxReplicas'],
  ['Ingress sluice', ['spec', 'ingressClassName'], 'ingress.className'],
];

/** What can be left out: by the kind of document, or by its kind and name. */
const SWITCHES: Readonly<Record<string, string>> = {
  Ingress: 'ingress.enabled',
  HTTPRoute: 'gateway.enabled',
  PodMonitor: 'podMonitors.enabled',
  NetworkPolicy: 'networkPolicies.enabled',
  Certificate: 'certManager.enabled',
  Issuer: 'certManager.enabled',
  ScaledObject: 'keda.enabled',
  'Deployment sluice-worker': 'router.enabled',
  'Deployment sluice-worker-vllm': 'vllm.enabled',
};

const VALUES = {
  image: 'ghcr.io/sluice/sluice:0.1.0',
  host: 'sluice.example.com',
  edge: { minReplicas: 2, maxReplicas: 20 },
  router: { enabled: true, replicas: 2, upstream: 'http://model-router:8000/v1' },
  vllm: { enabled: true, image: 'vllm/vllm-openai:v0.11.0', model: 'Qwen/Qwen3-8B' },
  nats: { image: 'nats:2.15.1-alpine' },
  keda: { enabled: true, prometheus: 'http://prometheus.monitoring:9090', minReplicas: 0, maxReplicas: 4 },
  ingress: { enabled: true, className: 'nginx', clusterIssuer: 'letsencrypt' },
  gateway: { enabled: false },
  podMonitors: { enabled: false },
  networkPolicies: { enabled: true },
  certManager: { enabled: true },
};

const nameOf = ({ kind, metadata }: Document): string => `${kind} ${metadata.name}`;
const ofValue = (value: string): string => `{{ .Values.${value} }}`;

/** Stands for a value until the document is text: whatever YAML quotes around it comes off again. */
const marked = (value: string): string => `@@${value}@@`;
const NAMESPACE = 'Release.Namespace';

const isObject = (node: unknown): node is Record<string, unknown> =>
  typeof node === 'object' && node !== null && !Array.isArray(node);

/** @throws Error where the manifests no longer have what is a value: it would silently do nothing */
const withField = (node: unknown, [key, ...rest]: readonly string[], value: string): unknown => {
  if (key === undefined) return marked(value);
  if (!isObject(node) || node[key] === undefined)
    throw new Error(`expected a field ${key} for the chart's value ${value}`);
  return { ...node, [key]: withField(node[key], rest, value) };
};

const templateOf = (document: Document): string => {
  const own = FIELDS.filter(([name]) => name === nameOf(document));
  const fielded = own.reduce<unknown>((node, [, path, value]) => withField(node, path, value), document);
  const placed = isObject(fielded)
    ? { ...fielded, metadata: { ...document.metadata, namespace: marked(NAMESPACE) } }
    : fielded;
  const escaped = stringify(placed, { lineWidth: 0 }).replaceAll('{{', '{{ "{{" }}');
  const valued = TEXTS.reduce((text, [from, value]) => text.replaceAll(from, ofValue(value)), escaped);
  const filled = valued.replaceAll(/["']?@@([\w.]+)@@["']?/g, (_, value: string) =>
    value === NAMESPACE ? `{{ .${value} }}` : ofValue(value),
  );
  const condition = SWITCHES[nameOf(document)] ?? SWITCHES[document.kind];
  return condition === undefined ? filled : `{{- if .Values.${condition} }}\n${filled}{{- end }}\n`;
};

const GENERATED = '# Made of k8s/overlays/everything by k8s/make-chart.ts: change those.\n';

const CHART = `${GENERATED}apiVersion: v2
name: sluice
description: Resumable, flow-controlled LLM token streams over NATS JetStream
type: application
version: 0.1.0
appVersion: 0.1.0
kubeVersion: '>=1.30.0-0'
`;

/** @param documents of the overlay with everything @returns the chart's files, by their paths in it */
export const chartOf = (documents: readonly Document[]): ReadonlyMap<string, string> => {
  // `helm install --create-namespace` makes the namespace.
  const shipped = documents.filter(({ kind }) => kind !== 'Namespace');
  const templates = shipped.map(
    (document) =>
      [
        `templates/${nameOf(document).toLowerCase().replace(' ', '-')}.yaml`,
        `${GENERATED}${templateOf(document)}`,
      ] as const,
  );
  return new Map([['Chart.yaml', CHART], ['values.yaml', `${GENERATED}${stringify(VALUES)}`], ...templates]);
};
