import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type CollectedSpan = {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** '' where a trace begins */
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
};

export type TraceCollector = {
  /** e.g. `http://127.0.0.1:4318`, for `OTEL_EXPORTER_OTLP_ENDPOINT` */
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** everything that came, as it came */
  readonly bodies: readonly string[];
  close(): Promise<void>;
};

type Value = {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number;
  arrayValue?: { values: Value[] };
};
type Attribute = { key: string; value: Value };
type OtlpSpan = Pick<CollectedSpan, 'name' | 'traceId' | 'spanId'> & {
  events?: CollectedSpan['events'];
  links?: CollectedSpan['links'];
  attributes?: Attribute[];
  parentSpanId?: string;
  status?: { code?: number };
};
type Request = {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
};

const ERROR = 2;

const valueOf = (value: Value): unknown => {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(valueOf);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
};
const attributesOf = (attributes: readonly Attribute[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));

const spansOf = ({ resourceSpans }: Request): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(attributesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId = '', attributes, events, links, status }) => ({
        ...{ service, name, traceId, spanId, parentSpanId, events: events ?? [], links: links ?? [] },
        attributes: attributesOf(attributes),
        isError: status?.code === ERROR,
      })),
    );
  });

/** A collector of OTLP over HTTP, as JSON. */
export const startTraceCollector = async (): Promise<TraceCollector> => {
  const spans: CollectedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      bodies.push(body);
      spans.push(...spansOf(JSON.parse(body) as Request));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, bodies },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
