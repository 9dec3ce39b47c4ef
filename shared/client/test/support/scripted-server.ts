import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { BEARER_SUBPROTOCOL_PREFIX, DEFAULT_LIMITS, SUBPROTOCOL, withoutText } from '@sluice/protocol';
import type { ClientFrame, DeltaFrame, GenerationItem, Position, ServerFrame } from '@sluice/protocol';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

/** What becomes of a delta frame on its way out. `half`: part of its bytes, then the link is cut. */
export type Fate =
  | { readonly type: 'send' | 'half' | 'destroy' }
  | { readonly type: 'close'; readonly code: number }
  | { readonly type: 'forge'; readonly frames: readonly DeltaFrame[] };

export type Script = {
  /** the tokens of each epoch; every epoch but the last is abandoned when it is complete */
  readonly epochs: readonly (readonly string[])[];
  /** decides by the count of delta frames the server has sent so far, over all connections */
  readonly fate?: (frame: DeltaFrame, count: number) => Fate;
  /** most tokens in one frame, default 4 */
  readonly maxTokens?: number;
  /** so many prompts are taken, yet their answer is lost with the connection */
  readonly lostAnswers?: number;
};

type Viewer = {
  readonly socket: WebSocket;
  readonly window: number;
  position: Position;
  /** seq of each frame in flight */
  unacked: number[];
  isEnded: boolean;
};

const GENERATION = 'g';
const SEND: Fate = { type: 'send' };

/**
 * An edge in small: one session with one generation, whose tokens come from a script, one each turn of the
 * event loop from the first prompt on. Keeps the window of each viewer and resumes by position, as the protocol
 * says; what goes wrong on the way is the script's decision.
 */
export class ScriptedServer {
  readonly url: string;
  /** frames received, in order, over all connections */
  readonly received: ClientFrame[] = [];
  connections = 0;
  /** runs of the generation */
  starts = 0;
  maxUnacked = 0;
  readonly #script: Script;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #viewers = new Set<Viewer>();
  #epoch = 0;
  #head = 0;
  #prompts = 0;
  #isDone = false;
  #frames = 0;
  #turn: NodeJS.Immediate | undefined;

  private constructor(script: Script, http: Server) {
    this.#script = script;
    this.#http = http;
    this.url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({
      server: http,
      path: '/v1/ws',
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#sockets.on('connection', (socket, request) => {
      const [, bearer] = (request.headers['sec-websocket-protocol'] ?? '').split(',');
      this.#open(socket, bearer?.trim().slice(BEARER_SUBPROTOCOL_PREFIX.length));
    });
  }

  static async start(script: Script): Promise<ScriptedServer> {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return new ScriptedServer(script, http);
  }

  async close(): Promise<void> {
    clearImmediate(this.#turn);
    for (const socket of this.#sockets.clients) socket.terminate();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #open(socket: WebSocket, credential: string | undefined): void {
    this.connections += 1;
    socket.on('message', (bytes: Buffer) => {
      const frame = JSON.parse(bytes.toString()) as ClientFrame;
      this.received.push(frame);
      this.#serve(socket, frame);
    });
    socket.on('close', () => this.#leave(socket));
    socket.on('error', () => undefined);
    if (credential === 'jwt') this.#ready(socket);
    else if (credential !== undefined) socket.close(4401, 'no such token');
  }

  #ready(socket: WebSocket): void {
    send(socket, {
      type: 'ready',
      connection: `c${this.connections}`,
      user: 'ann',
      org: 'acme',
      expiresAt: 0,
      heartbeatMs: 20_000,
      limits: { ...DEFAULT_LIMITS, maxFramesPerSecond: 10_000 },
    });
  }

  #leave(socket: WebSocket): void {
    for (const viewer of this.#viewers) if (viewer.socket === socket) this.#viewers.delete(viewer);
  }

  #serve(socket: WebSocket, frame: ClientFrame): void {
    const { id } = frame;
    if (frame.type === 'subscribe') {
      this.#leave(socket);
      this.#subscribe(socket, frame.positions?.[GENERATION], frame.window ?? 32);
    } else if (frame.type === 'prompt') {
      this.#prompts += 1;
      if (this.#prompts <= (this.#script.lostAnswers ?? 0)) rawSocket(socket).destroy();
      else send(socket, { type: 'ok', re: id ?? '', generation: GENERATION, created: this.starts === 0 });
      if (this.starts === 0) this.#start();
    } else if (frame.type === 'ack') this.#ack(socket, frame);
    else if (frame.type === 'auth') this.#ready(socket);
    else if (frame.type === 'ping') send(socket, { type: 'pong' });
    else if (id !== undefined) send(socket, { type: 'ok', re: id });
  }

  #subscribe(socket: WebSocket, position: Position | undefined, window: number): void {
    const items = this.starts > 0 ? [this.#item()] : [];
    send(socket, { type: 'subscribed', session: 's', rev: items[0]?.rev ?? 0, viewers: 1, items });
    if (position === undefined && this.#isDone) return;
    const start = position ?? { epoch: this.#epoch, seq: 0 };
    const viewer: Viewer = { socket, window, position: start, unacked: [], isEnded: false };
    if (start.epoch !== this.#epoch || start.seq > this.#head) this.#reset(viewer);
    this.#viewers.add(viewer);
    this.#pump(viewer);
  }

  #ack(socket: WebSocket, { epoch, seq }: Position): void {
    for (const viewer of this.#viewers) {
      if (viewer.socket !== socket || epoch !== viewer.position.epoch) continue;
      viewer.unacked = viewer.unacked.filter((sent) => sent > seq);
      this.#pump(viewer);
    }
  }

  #start(): void {
    this.starts += 1;
    for (const viewer of this.#viewers) this.#announce(viewer);
    this.#advance();
  }

  #announce({ socket }: Viewer): void {
    const item = withoutText(this.#item());
    send(socket, { type: 'item', session: 's', rev: item.rev, item });
  }

  /** One token each turn. */
  #advance(): void {
    const { epochs } = this.#script;
    const tokens = epochs[this.#epoch] ?? [];
    if (this.#head < tokens.length) this.#head += 1;
    else if (this.#epoch + 1 < epochs.length) {
      this.#epoch += 1;
      this.#head = 0;
      for (const viewer of this.#viewers) this.#reset(viewer);
    } else this.#isDone = true;
    for (const viewer of this.#viewers) this.#pump(viewer);
    if (!this.#isDone) this.#turn = setImmediate(() => this.#advance());
  }

  #reset(viewer: Viewer): void {
    viewer.position = { epoch: this.#epoch, seq: 0 };
    viewer.unacked = [];
    const { epoch } = viewer.position;
    send(viewer.socket, { type: 'reset', session: 's', generation: GENERATION, epoch, reason: 'restarted' });
  }

  #pump(viewer: Viewer): void {
    const { maxTokens = 4, fate = () => SEND } = this.#script;
    while (viewer.position.seq < this.#head && viewer.unacked.length < viewer.window) {
      const { epoch, seq: from } = viewer.position;
      const seq = Math.min(this.#head, from + maxTokens);
      const text = (this.#script.epochs[epoch] ?? []).slice(from, seq).join('');
      const frame: DeltaFrame = {
        type: 'delta',
        session: 's',
        generation: GENERATION,
        epoch,
        from,
        seq,
        text,
        at: 0,
      };
      viewer.position = { epoch, seq };
      viewer.unacked.push(seq);
      this.maxUnacked = Math.max(this.maxUnacked, viewer.unacked.length);
      this.#frames += 1;
      if (!carry(viewer.socket, frame, fate(frame, this.#frames))) return this.#leave(viewer.socket);
    }
    if (!this.#isDone || viewer.isEnded || viewer.position.seq < this.#head) return;
    viewer.isEnded = true;
    send(viewer.socket, {
      type: 'end',
      session: 's',
      generation: GENERATION,
      ...viewer.position,
      reason: 'stop',
    });
    this.#announce(viewer);
  }

  #item(): GenerationItem {
    const text = (this.#script.epochs[this.#epoch] ?? []).join('');
    return {
      id: GENERATION,
      kind: 'generation',
      rev: this.#isDone ? 2 : 1,
      user: 'ann',
      createdAt: 0,
      model: 'm',
      input: 'hi',
      governor: 'fastest',
      status: this.#isDone ? 'done' : 'running',
      attempt: 1,
      epoch: this.#epoch,
      seq: this.#isDone ? this.#head : 0,
      ...(this.#isDone ? { text, reason: 'stop' as const } : {}),
    };
  }
}

const send = (socket: WebSocket, frame: ServerFrame): void => socket.send(JSON.stringify(frame));

/** @returns false when the connection is gone with the frame */
const carry = (socket: WebSocket, frame: DeltaFrame, fate: Fate): boolean => {
  switch (fate.type) {
    case 'send':
      send(socket, frame);
      return true;
    case 'forge':
      for (const forged of fate.frames) send(socket, forged);
      return true;
    case 'close':
      socket.close(fate.code);
      return false;
    case 'half':
      rawSocket(socket).write(halfFrame(JSON.stringify(frame)), () => rawSocket(socket).destroy());
      return false;
    case 'destroy':
      rawSocket(socket).destroy();
      return false;
  }
};

const rawSocket = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket;

/** The first half of an unmasked text frame shorter than 64 KiB. */
const halfFrame = (text: string): Buffer => {
  const payload = Buffer.from(text);
  const header =
    payload.length < 126 ? [0x81, payload.length] : [0x81, 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from(header), payload]).subarray(0, Math.ceil(payload.length / 2));
};
