import type { GoawayFrame } from '@sluice/protocol';
import { z } from 'zod';
import { eventText, retryText } from '../transports/event-view.ts';

/** How an EventSource says where it is when it comes back. */
export const lastEventHeaders = z.object({ 'last-event-id': z.string().optional() });

/** An EventSource that loses its stream comes back after this long and up to as much again, ms. */
const RETRY_MS = 1_000;

/** Differs per stream, so that the clients of a dead edge do not come back all at once. */
export const retryOpening = (): string => retryText(RETRY_MS * (1 + Math.random()));

/** A stream that its server ends: says when to come back in the words of EventSource and in ours. */
export const goawayText = ({ reconnectMs }: GoawayFrame, json: string): string =>
  `${retryText(reconnectMs)}${eventText({ event: 'goaway', data: json })}`;
