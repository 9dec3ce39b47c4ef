import { createHash } from 'node:crypto';
import { ForeignMessageError } from '@sluice/protocol';
import type { BodyPart, BodyRef, ItemId, SessionKey } from '@sluice/protocol';
import type { Border } from '../border.ts';
import { bodyParsers } from '../messages.ts';
import type { BodyFields } from '../messages.ts';
import { bodySubject } from '../subjects.ts';
import type { LooseBody } from './division.ts';

/** Whose body it is. */
export type BodyPlace = { readonly key: SessionKey; readonly item: ItemId };

/** Where the chunks of bodies are kept, by subject. Both methods throw BusUnavailableError and BusRefusedError. */
export type ChunkStore = {
  /** most bytes of one chunk */
  readonly maxChunkBytes: number;
  /** Resolves once it is stored; in place of what was there, which is the same unless somebody meddled. */
  write(subject: string, chunk: Uint8Array): Promise<void>;
  /** What there is under these subjects. */
  read(subjects: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
};

/** Chunks that are asked for at once: 4 MiB, so that what else is on the connection is not held up. */
const CHUNKS_AT_ONCE = 16;

/** Bodies as numbered chunks. One that is not all there, or not what its reference says, is as good as absent. */
export class BodyStore {
  readonly #chunks: ChunkStore;
  readonly #border: Border;

  constructor(chunks: ChunkStore, border: Border) {
    this.#chunks = chunks;
    this.#border = border;
  }

  /** Resolves once all of it is stored. */
  async write(place: BodyPlace, { part, fields }: LooseBody): Promise<BodyRef> {
    const content = Buffer.from(JSON.stringify(fields));
    const size = this.#chunks.maxChunkBytes;
    const chunks = Math.ceil(content.length / size);
    const ref = { chunks, bytes: content.length, sha256: hashOf(content) };
    for (const [index, subject] of subjectsOf(place, part, ref).entries())
      await this.#chunks.write(subject, content.subarray(index * size, (index + 1) * size));
    return ref;
  }

  /** The fields that a body holds; undefined when it cannot be read, which is told. */
  async read<Part extends BodyPart>(
    place: BodyPlace,
    part: Part,
    ref: BodyRef,
  ): Promise<BodyFields[Part] | undefined> {
    const content = await this.#contentOf(subjectsOf(place, part, ref), ref.bytes);
    const parse = bodyParsers[part];
    return this.#border.read('body', content?.toString() ?? '', (text) => {
      checkWhole(content, ref);
      return parse(text);
    });
  }

  /** Chunk after chunk; undefined once one is missing, or there is more than was said. */
  async #contentOf(subjects: readonly string[], bytes: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [];
    let room = bytes;
    for (let from = 0; from < subjects.length; from += CHUNKS_AT_ONCE) {
      const wanted = subjects.slice(from, from + CHUNKS_AT_ONCE);
      const found = await this.#chunks.read(wanted);
      for (const subject of wanted) {
        const chunk = found.get(subject);
        room -= chunk?.length ?? Infinity;
        if (chunk === undefined || room < 0) return undefined;
        parts.push(chunk);
      }
    }
    return Buffer.concat(parts);
  }
}

const subjectsOf = ({ key, item }: BodyPlace, part: BodyPart, { chunks, sha256 }: BodyRef): string[] =>
  Array.from({ length: chunks }, (_, chunk) => bodySubject(key, item, { part, sha256, chunk }));

const hashOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** @throws ForeignMessageError */
const checkWhole = (content: Buffer | undefined, { bytes, sha256 }: BodyRef): void => {
  if (content === undefined)
    throw new ForeignMessageError('expected all chunks of a body, some are not there');
  if (content.length !== bytes || hashOf(content) !== sha256)
    throw new ForeignMessageError('expected the body that its reference names, got another one');
};
