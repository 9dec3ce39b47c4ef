import type {
  EndReason,
  GenerationError,
  Position,
  Receipt,
  ServerFrame,
  StoredRecord,
} from '@sluice/protocol';

/** The stored texts by epoch, token by token, and where the log ends. */
export type StoredText = {
  readonly epochs: ReadonlyMap<number, readonly string[]>;
  readonly epoch: number;
  readonly end: { readonly reason: string; readonly seq: number } | undefined;
};

/** One connection of a viewer as its socket carried it, taken below the SDK. */
export type ViewedConnection = {
  readonly received: readonly { readonly frame: ServerFrame; readonly at: number }[];
  /** the position it named for the generation when it subscribed */
  readonly given?: Position;
};

/** Everything one client was sent of one generation, oldest connection first. */
export type ViewerTranscript = {
  readonly name: string;
  readonly connections: readonly ViewedConnection[];
  /** it came back after the faults and waited: it must have the whole text and its end */
  readonly mustFinish: boolean;
};

/** What the session store says of the generation after the faults. */
export type StoredFate = {
  readonly status: string;
  readonly epoch: number;
  readonly seq: number;
  readonly text?: string;
  readonly reason?: EndReason;
  readonly receipt?: Receipt;
  readonly error?: GenerationError;
  readonly attempt?: number;
  /** attempts that died with their worker: in a row without progress, and in all */
  readonly crashes?: number;
  readonly allCrashes?: number;
};

/** One generation: what was promised, what is stored, what was seen. All of it is data. */
export type History = {
  readonly org: string;
  readonly session: string;
  readonly generation: string;
  /** an edge answered the prompt with `ok` */
  readonly accepted: boolean;
  /** records in the order of the stream: what is stored, and what was seen to be replaced by it */
  readonly log: readonly StoredRecord[];
  readonly item: StoredFate | undefined;
  /** positions somebody was told are stored: publish answers, and what clients acked */
  readonly acked: readonly Position[];
  readonly viewers: readonly ViewerTranscript[];
  /** tokens the engines made; with `lead`, the bound on what nobody acked is checked */
  readonly credit?: { readonly made: number; readonly acked: number; readonly lead: number };
};

/** Each test token says where it belongs: `⟦org.session.generation.i⟧`, i from 1. */
export const watermarkOf = ({
  org,
  session,
  generation,
}: Pick<History, 'org' | 'session' | 'generation'>): string => `${org}.${session}.${generation}`;

export const markedToken = (watermark: string, seq: number): string => `⟦${watermark}.${seq}⟧`;

export type Mark = { readonly watermark: string; readonly seq: number };

/** The marks of a text; undefined when it holds anything else. */
export const marksOf = (text: string): readonly Mark[] | undefined => {
  const marks: Mark[] = [];
  let length = 0;
  for (const [whole, watermark = '', seq] of text.matchAll(/⟦([^⟦⟧]+)\.(\d+)⟧/g)) {
    marks.push({ watermark, seq: Number(seq) });
    length += whole.length;
  }
  return length === text.length ? marks : undefined;
};
