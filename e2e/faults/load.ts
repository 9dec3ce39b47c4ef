import { setTimeout as pause } from 'node:timers/promises';
import type { Client, Generation, TransportKind } from '@sluice/client';
import type { ClientFrame, Position } from '@sluice/protocol';
import { recordedClient, tokenFor } from '../support/clients.ts';
import type { RecordedSocket } from '../support/recording.ts';
import { watermarkOf } from './history.ts';
import type { ViewedConnection, ViewerTranscript } from './history.ts';

export type LoadOptions = {
  /** addresses of edges; clients are spread over them */
  readonly urls: readonly string[];
  /** per org */
  readonly sessions: number;
  /** of each session, the author among them */
  readonly viewers: number;
  readonly tokens: number;
  readonly orgs?: readonly string[];
  /** what the viewers of a session use, in turns; default WebSockets */
  readonly transports?: readonly TransportKind[];
};

/** Two customers whose sessions and generations have the same ids. */
export const ORGS = ['acme', 'rival'] as const;

/** A refused prompt is followed by another one after this long. */
const ASK_AGAIN_MS = 500;

type Received = ViewedConnection['received'][number];

export type Member = {
  readonly name: string;
  /** index of the address it connects to */
  readonly edge: number;
  readonly client: Client;
  readonly sockets: readonly RecordedSocket[];
};
export type Room = { readonly org: string; readonly session: string; readonly members: Member[] };

/** One generation of the load, with everybody's handle on it. */
export type Started = {
  readonly room: Room;
  readonly id: string;
  readonly handles: readonly Generation[];
  isAccepted: boolean;
  /** an edge said no, for instance while NATS was away: nothing was promised */
  isRefused: boolean;
};

/** People who talk all the time: in every session one author prompts, again and again, and all watch. */
export class Load {
  readonly rooms: Room[];
  readonly started: Started[] = [];
  readonly #options: LoadOptions;
  #rounds: Promise<unknown>[] = [];
  #isStopping = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { sessions, viewers, orgs = ORGS } = options;
    // Authors and watchers are spread over the edges, and no edge has only the ones or the others.
    this.rooms = orgs.flatMap((org, offset) =>
      Array.from({ length: sessions }, (_, index) => ({
        org,
        session: `s-${index}`,
        members: Array.from({ length: viewers }, (_each, i) =>
          this.#member(org, `u-${index}-${i}`, offset + index + i, i),
        ),
      })),
    );
  }

  /** Generations that were not refused and have not ended for their author. */
  get running(): readonly Started[] {
    return this.started.filter(({ handles, isRefused }) => !isRefused && handles[0]?.status !== 'done');
  }

  begin(): void {
    this.#rounds = this.rooms.map((room) => this.#talk(room));
  }

  /** Lets what runs come to its end; resolves when every viewer has it. @throws the viewers that have not */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#rounds);
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.rooms.flatMap(({ members }) => members.map(({ client }) => client.close())));
  }

  /** Prompts once, in a session of its own, with more parameters of the simulated engine. */
  ask(org: string, session: string, simulated: object): Started {
    const room = this.#room(org, session);
    const started = this.#prompt(room, 'g-0', simulated);
    this.#rounds.push(Promise.allSettled(started.handles.map((handle) => handle.end)));
    return started;
  }

  /** Somebody comes to a generation that was begun outside of this load. */
  join(org: string, session: string, id: string): Started {
    const room = this.#room(org, session);
    const handles = room.members.map(({ client }) => client.session(session).generation(id));
    const started: Started = { room, id, handles, isAccepted: true, isRefused: false };
    this.started.push(started);
    this.#rounds.push(Promise.allSettled(handles.map((handle) => handle.end)));
    return started;
  }

  /** One viewer more for a session that is running, on an edge of one's choice. */
  visit({ room, id }: Started, edge: number): Generation {
    const member = this.#member(room.org, `late-${room.session}-${room.members.length}`, edge);
    room.members.push(member);
    return member.client.session(room.session).generation(id);
  }

  #room(org: string, session: string): Room {
    const room = { org, session, members: [this.#member(org, `u-${session}`, this.rooms.length)] };
    this.rooms.push(room);
    return room;
  }

  #member(org: string, name: string, at: number, index = 0): Member {
    const { urls, transports = ['websocket'] } = this.#options;
    const edge = at % urls.length;
    const transport = transports[index % transports.length] ?? 'websocket';
    const options = { transport, token: tokenFor(name, org), backoff: { baseMs: 50, capMs: 500 } };
    return { name, edge, ...recordedClient(urls[edge] as string, name, options) };
  }

  async #talk(room: Room): Promise<void> {
    for (let round = 0; !this.#isStopping; round += 1) {
      const started = this.#prompt(room, `g-${round}`);
      const [asked, ...watching] = started.handles;
      const isRefused = await asked?.accepted.then(
        () => false,
        () => true,
      );
      if (isRefused) {
        started.isRefused = true;
        for (const handle of watching) handle.detach();
        // As a person would: not at once again.
        await pause(ASK_AGAIN_MS);
      }
      await Promise.allSettled(started.handles.map((handle) => handle.end));
    }
  }

  #prompt(room: Room, id: string, simulated: object = { tokens: this.#options.tokens }): Started {
    const { org, session, members } = room;
    const watermark = watermarkOf({ org, session, generation: id });
    const params = { simulated: { ...simulated, watermark } };
    const handles = members.map(({ client }, index) =>
      index === 0
        ? client.session(session).prompt({ generation: id, input: 'go on', params })
        : client.session(session).generation(id),
    );
    const started: Started = { room, id, handles, isAccepted: false, isRefused: false };
    this.started.push(started);
    handles[0]?.accepted.then(
      () => (started.isAccepted = true),
      () => undefined,
    );
    return started;
  }
}

/** A member's raw frames that concern one generation, attachment by attachment. */
export const transcriptOf = ({ room, id, isRefused }: Started, member: Member): ViewerTranscript => ({
  name: `${room.org}/${member.name}`,
  mustFinish: !isRefused,
  connections: member.sockets.flatMap((socket) => attachmentsOf(socket, room.session, id)),
});

/**
 * Each `subscribed` begins an attachment, from the positions of the frame that it belongs to: the one that is answered
 * next. A prompt may begin one too, from no position at all.
 */
export const attachmentsOf = (
  { sent, received }: RecordedSocket,
  session: string,
  id: string,
): ViewedConnection[] => {
  const asked = sent.filter(
    (frame) => (frame.type === 'subscribe' || frame.type === 'prompt') && frame.session === session,
  );
  const answered = (from: number): ClientFrame | undefined => {
    for (const { frame } of received.slice(from)) {
      const re = frame.type === 'ok' || frame.type === 'error' ? frame.re : undefined;
      const request = re === undefined ? undefined : asked.find((each) => each.id === re);
      if (request !== undefined) return request;
    }
    // Cut before the answer: it was the oldest that none came for.
    const answers = new Set(received.map(({ frame }) => ('re' in frame ? frame.re : undefined)));
    return asked.find((each) => !answers.has(each.id ?? ''));
  };
  const attachments: { received: Received[]; given?: Position }[] = [];
  for (const [index, { frame, at }] of received.entries()) {
    if (frame.type === 'subscribed' && frame.session === session) {
      const request = answered(index);
      const given = request?.type === 'subscribe' ? request.positions?.[id] : undefined;
      attachments.push(given === undefined ? { received: [] } : { received: [], given });
    }
    const isItem = frame.type === 'item' && frame.session === session && frame.item.id === id;
    const isConcerned =
      isItem || frame.type === 'subscribed' || ('generation' in frame && frame.generation === id);
    if (isConcerned) attachments.at(-1)?.received.push({ frame, at });
  }
  return attachments;
};

/** What a member told an edge it has. */
export const ackedOf = ({ room, id }: Started, { sockets }: Member): Position[] =>
  sockets.flatMap(({ sent }) =>
    sent.flatMap((frame) =>
      frame.type === 'ack' && frame.generation === id && frame.session === room.session
        ? [{ epoch: frame.epoch, seq: frame.seq }]
        : [],
    ),
  );
