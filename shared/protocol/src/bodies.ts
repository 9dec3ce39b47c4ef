/**
 * Where the bytes of a body are: JSON of what was too large for its item or prompt, in numbered chunks. The hash makes
 * the name, so two writers never mix their chunks.
 */
export type BodyRef = {
  readonly chunks: number;
  /** of all chunks together */
  readonly bytes: number;
  /** of the same, in hex */
  readonly sha256: string;
};

/** What a body holds: fields of a prompt, an item's `input`, its answer, or a chat line. */
export type BodyPart = 'prompt' | 'input' | 'answer' | 'message';
