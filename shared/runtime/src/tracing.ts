import type * as Api from '@opentelemetry/api';
import { VERSION } from './version.ts';

export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export type SpanOptions = {
  /** W3C `traceparent` of what asked for it; without one a trace begins */
  readonly parent?: string | undefined;
  /** default `internal` */
  readonly kind?: 'internal' | 'server' | 'client' | 'consumer';
  /** ms since 1970; default now */
  readonly startedAt?: number;
  readonly attributes?: SpanAttributes;
  /** `traceparent`s of what it has to do with, though it is no part of it */
  readonly links?: readonly (string | undefined)[];
};

export type SpanEnd = {
  readonly attributes?: SpanAttributes;
  /** a code, never a text of a client's or an engine's: the span counts as failed */
  readonly error?: string | undefined;
  /** ms since 1970; default now */
  readonly at?: number;
};

export interface Span {
  /** What its children name as their parent. Without tracing it is the span's own parent. */
  readonly traceparent: string | undefined;
  event(name: string, attributes?: SpanAttributes): void;
  /** Idempotent. */
  end(result?: SpanEnd): void;
}

/** Tells a collector what happened when. Attributes are names and numbers: never prompts, tokens or credentials. */
export interface Tracing {
  span(name: string, options?: SpanOptions): Span;
  /** Sends what is left, for as long as {@link TracingOptions.closeMs} says. Idempotent. */
  close(): Promise<void>;
}

/** Where no collector is set: spans cost nothing, and pass on what they were given. */
export const NO_TRACING: Tracing = {
  span: (_name, { parent } = {}) => ({ traceparent: parent, event: () => undefined, end: () => undefined }),
  close: () => Promise.resolve(),
};

const CLOSE_MS = 5_000;
/** https://www.w3.org/TR/trace-context-1/#traceparent-header; other versions than 00 are not known here. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The id of the trace that a W3C `traceparent` belongs to; undefined where there is none. */
export const traceIdOf = (traceparent: string | undefined): string | undefined =>
  TRACEPARENT.exec(traceparent ?? '')?.[1];

type OtelApi = typeof Api;

const remoteOf = (traceparent: string | undefined) => {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
};

const traceparentOf = (span: Api.Span): string => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
};

const contextOf = ({ ROOT_CONTEXT, trace }: OtelApi, parent: string | undefined): Api.Context => {
  const remote = remoteOf(parent);
  return remote === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote);
};

const linksOf = (links: SpanOptions['links'] = []): Api.Link[] =>
  links.flatMap((link) => {
    const context = remoteOf(link);
    return context === undefined ? [] : [{ context }];
  });

const attributesOf = (attributes: SpanAttributes = {}) =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, typeof value === 'object' ? [...value] : value]),
  );

const kindOf = ({ SpanKind: kinds }: OtelApi, kind: SpanOptions['kind'] = 'internal'): Api.SpanKind =>
  ({ internal: kinds.INTERNAL, server: kinds.SERVER, client: kinds.CLIENT, consumer: kinds.CONSUMER })[kind];

const spanOf = (api: OtelApi, span: Api.Span): Span => ({
  traceparent: traceparentOf(span),
  event: (name, attributes) => void span.addEvent(name, attributesOf(attributes)),
  end: ({ attributes, error, at } = {}) => {
    if (!span.isRecording()) return;
    span.setAttributes(attributesOf(attributes));
    if (error !== undefined) {
      span.setAttribute('error.type', error);
      span.setStatus({ code: api.SpanStatusCode.ERROR });
    }
    span.end(at);
  },
});

/** Resolves when the work has ended, in whichever way, or after so long. */
const endsOrLate = async (work: Promise<unknown>, ms: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
};

export type TracingOptions = {
  /** e.g. `edge`; spans are of `sluice-edge` */
  readonly service: string;
  /** this process */
  readonly instance: string;
  /** of a collector of OTLP over HTTP, e.g. `http://collector:4318`; undefined: nothing is traced */
  readonly endpoint: string | undefined;
  /** how long a collector that does not answer is waited for at the end, ms; default 5,000 */
  readonly closeMs?: number;
};

/**
 * Sends spans to a collector. OpenTelemetry's own settings (`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`)
 * count as its SDK reads them. The SDK is loaded here and nowhere else: who does not trace does not pay.
 */
export const openTracing = async (options: TracingOptions): Promise<Tracing> => {
  const { service, instance, endpoint, closeMs = CLOSE_MS } = options;
  if (endpoint === undefined) return NO_TRACING;
  const [
    api,
    { BasicTracerProvider, BatchSpanProcessor },
    { OTLPTraceExporter },
    { resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resourceFromAttributes({
    'service.name': `sluice-${service}`,
    'service.version': VERSION,
    'service.instance.id': instance,
  });
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
  const tracer = provider.getTracer('sluice', VERSION);
  let closed: Promise<void> | undefined;
  return {
    span: (name, { parent, kind, startedAt, attributes, links } = {}) =>
      spanOf(
        api,
        tracer.startSpan(
          name,
          {
            kind: kindOf(api, kind),
            attributes: attributesOf(attributes),
            links: linksOf(links),
            ...(startedAt === undefined ? {} : { startTime: startedAt }),
          },
          contextOf(api, parent),
        ),
      ),
    close: () => (closed ??= endsOrLate(provider.shutdown(), closeMs)),
  };
};
