import { randomUUID } from 'node:crypto';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { jetstream } from '@nats-io/jetstream';
import { startNatsServer, storedContent } from '@sluice/testkit';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { createMemoryBus, createMemoryHub, createNatsBus } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { hubContent, publish } from '../src/memory/memory-hub.ts';

/** One "NATS": several buses opened in it see each other, like services on one server. */
export type World = {
  open(): Promise<Bus>;
  /** Publishes as somebody else's program would. */
  publish(subject: string, text: string): Promise<void>;
  /** All that is stored, as text. */
  content(): Promise<string>;
  stop(): Promise<void>;
};

export type WorldOptions = { readonly ackWaitMs?: number };

export type Backend = {
  readonly name: string;
  start(options?: WorldOptions): Promise<World>;
};

const memory: Backend = {
  name: 'memory',
  start: ({ ackWaitMs = 30_000 } = {}) => {
    const hub = createMemoryHub();
    return Promise.resolve({
      open: () => Promise.resolve(createMemoryBus(hub, { ackWaitMs })),
      publish: (subject, text) => Promise.resolve(publish(hub, subject, text)),
      content: () => Promise.resolve(hubContent(hub)),
      stop: () => Promise.resolve(),
    });
  },
};

const nats: Backend = {
  name: 'nats',
  start: async (options = {}) => {
    const server = await startNatsServer();
    const buses: Bus[] = [];
    let stranger: Promise<NatsConnection> | undefined;
    return {
      open: async () => {
        const bus = await createNatsBus({ url: server.url, name: 'contract', ...options });
        buses.push(bus);
        return bus;
      },
      publish: async (subject, text) => {
        const nc = await (stranger ??= connect({ servers: server.url }));
        const isStored = /^(tok|job|own|open|body|usage|card|erase|\$KV)\./.test(subject);
        if (isStored) await jetstream(nc).publish(subject, text);
        else nc.publish(subject, text);
        await nc.flush();
      },
      content: () => storedContent(server.url),
      stop: async () => {
        await (await stranger)?.close();
        await Promise.all(buses.map((bus) => bus.close()));
        await server.stop();
      },
    };
  },
};

/** The contract of every interface holds for each of these. */
export const backends: readonly Backend[] = [memory, nats];

export const newKey = (): GenerationKey => ({
  org: parseOrg(`org-${randomUUID()}`),
  session: parseSessionId(randomUUID()),
  generation: parseGenerationId(randomUUID()),
});

/** Of the fullest stream, 0..1. */
export const fullnessOf = async (bus: Bus): Promise<number> =>
  Math.max(0, ...(await bus.link.streams()).map(({ fullness }) => fullness));
