/** What one user, or one org as a whole, may have and do, over all edges. */
export type Quota = {
  /** prompts and chat lines that are stored, encoded bytes */
  readonly bytesPerMinute: number;
  readonly promptsPerMinute: number;
  /** chat lines */
  readonly messagesPerMinute: number;
  /** what is stored: items, prompts and their texts, encoded bytes */
  readonly bytesStored: number;
  /** generations that are not done: running, queued and parked */
  readonly generations: number;
  readonly connections: number;
};

/** What is set for one org; the rest is as the services' own settings say. */
export type OrgSettings = {
  readonly quota?: { readonly user?: Partial<Quota>; readonly org?: Partial<Quota> };
  /** how long after its last change a session is kept */
  readonly retention?: { readonly sessionsMs?: number };
  /** the models that its prompts may name; default all */
  readonly models?: readonly string[];
  /** dollars per 1,000,000 tokens */
  readonly price?: { readonly input?: number; readonly cached?: number; readonly output?: number };
};
