import { setTimeout as pause } from 'node:timers/promises';
import { openRawClient } from '@sluice/testkit';
import { tokenFor } from '../support/clients.ts';
import { nth } from './figures.ts';

/** Between the answer to a ping and the next ping, ms. */
const PING_MS = 20;
const ANSWER_TIMEOUT_MS = 30_000;

export type Pings = { readonly count: number; readonly p50: number; readonly p99: number };

/** Another user of another org, who does nothing but ask whether the edge is there. */
export type Bystander = {
  /** Pings, one after the other, for as long as that takes; times in ms. */
  ping(forMs: number): Promise<Pings>;
  /** Pings until `work` is done. */
  pingDuring(work: Promise<unknown>): Promise<Pings>;
  close(): void;
};

/** @param url of the edge, `http://…` */
export const openBystander = async (url: string): Promise<Bystander> => {
  const client = await openRawClient(`${url.replace(/^http/, 'ws')}/v1/ws`, {
    token: tokenFor('bystander', 'elsewhere'),
  });
  await client.nextFrame('ready', ANSWER_TIMEOUT_MS);
  const pingWhile = async (isOn: () => boolean): Promise<Pings> => {
    const times: number[] = [];
    do {
      const sent = performance.now();
      client.send({ type: 'ping' });
      await client.nextFrame('pong', ANSWER_TIMEOUT_MS);
      times.push(performance.now() - sent);
      await pause(PING_MS);
    } while (isOn());
    return { count: times.length, p50: nth(times, 0.5), p99: nth(times, 0.99) };
  };
  return {
    ping: (forMs) => {
      const until = performance.now() + forMs;
      return pingWhile(() => performance.now() < until);
    },
    pingDuring: async (work) => {
      let isOver = false;
      const over = work.finally(() => (isOver = true));
      const [pings] = await Promise.all([pingWhile(() => !isOver), over]);
      return pings;
    },
    close: () => client.close(),
  };
};
