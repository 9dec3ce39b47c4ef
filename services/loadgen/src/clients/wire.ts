import { SUBPROTOCOL } from '@sluice/protocol';
import { EventDecoder } from './event-decoder.ts';
import { CLOSE, FrameDecoder, PING, PONG, TEXT } from './frame-decoder.ts';
import { encodeClientFrame } from './frame-encoder.ts';
import { Handshake, requestHead, upgradeHead } from './handshake.ts';

export type EdgeTarget = { readonly kind: 'edge'; readonly port: number; readonly token: string };

/** `bytes`: WebSocket frames come at once, without a handshake. */
export type PeerKind = 'relay' | 'bytes' | 'sse' | 'socket.io';

/** What to connect to, always on 127.0.0.1. */
export type Target = EdgeTarget | { readonly kind: PeerKind; readonly port: number };

export type WireEvents = {
  /** Frames can be sent, and come. Called once. */
  ready(): void;
  /** One frame's JSON; the payload is valid only during the call. */
  text(payload: Buffer): void;
  lost(reason: string): void;
  write(bytes: Buffer): void;
};

/** How one kind of server talks: what a client says first, and how its answer is read. */
export type Wire = {
  readonly greeting: string;
  /** @param bytes may be overwritten once this returns */
  push(bytes: Buffer): void;
};

/** @param path used where the server tells sessions apart by it */
export const wireOf = (target: Target, path: string, events: WireEvents): Wire => {
  const { kind, port } = target;
  if (kind === 'edge') {
    const headers = [`Sec-WebSocket-Protocol: ${SUBPROTOCOL}`, `Authorization: Bearer ${target.token}`];
    return upgraded(upgradeHead(port, '/v1/ws', headers), events);
  }
  if (kind === 'relay') return upgraded(upgradeHead(port, path), events);
  if (kind === 'sse') return eventStream(requestHead(port, path), events);
  if (kind === 'socket.io') return socketIo(port, events);
  const decoder = webSocketDecoder(events, (payload) => events.text(payload));
  events.ready();
  return { greeting: '', push: (bytes) => decoder.push(bytes) };
};

const webSocketDecoder = ({ write, lost }: WireEvents, onText: (payload: Buffer) => void): FrameDecoder =>
  new FrameDecoder((opcode, payload) => {
    if (opcode === TEXT) onText(payload);
    else if (opcode === PING) write(encodeClientFrame(PONG, payload));
    else if (opcode === CLOSE) lost(closeReason(payload));
  });

const closeReason = (payload: Buffer): string =>
  payload.length < 2 ? 'closed' : `closed with ${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`;

/** Skips the head of the HTTP answer and passes on its body. */
const after = (status: number, onHead: () => void, rest: (bytes: Buffer) => void) => {
  let handshake: Handshake | undefined = new Handshake(status);
  return (bytes: Buffer): void => {
    if (handshake === undefined) return rest(bytes);
    const left = handshake.push(bytes);
    if (left === undefined) return;
    handshake = undefined;
    onHead();
    rest(left);
  };
};

const upgraded = (greeting: string, events: WireEvents): Wire => {
  const decoder = webSocketDecoder(events, (payload) => events.text(payload));
  return {
    greeting,
    push: after(
      101,
      () => events.ready(),
      (bytes) => decoder.push(bytes),
    ),
  };
};

const eventStream = (greeting: string, events: WireEvents): Wire => {
  const decoder = new EventDecoder((payload) => events.text(payload));
  return {
    greeting,
    push: after(
      200,
      () => events.ready(),
      (bytes) => decoder.push(bytes),
    ),
  };
};

/** Packets of engine.io 4 and socket.io 5, as their first characters say. */
const [OPEN, ENGINE_PING, CONNECTED, EVENT] = ['0', '2', '40', '42'] as const;

/** A socket.io event's only argument is the frame; with connection state recovery an offset follows it. */
const socketIo = (port: number, events: WireEvents): Wire => {
  const decoder = webSocketDecoder(events, (payload) => {
    const packet = payload.toString('latin1', 0, 2);
    if (packet === EVENT) events.text(payload.subarray(payload.indexOf('{'), payload.lastIndexOf('}') + 1));
    else if (packet === CONNECTED) events.ready();
    else if (packet.startsWith(OPEN)) events.write(encodeClientFrame(TEXT, CONNECTED));
    else if (packet === ENGINE_PING) events.write(encodeClientFrame(TEXT, '3'));
  });
  const greeting = upgradeHead(port, '/socket.io/?EIO=4&transport=websocket');
  return {
    greeting,
    push: after(
      101,
      () => {},
      (bytes) => decoder.push(bytes),
    ),
  };
};
