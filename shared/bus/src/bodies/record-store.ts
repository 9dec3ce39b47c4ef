import type { GenerationKey } from '@sluice/protocol';
import type { SessionStore } from '../session-store.ts';
import type { StoredPrompt } from './division.ts';

/** What a store keeps in single messages: an item, or a prompt without what is too large for it. */
export type RecordStore = Omit<SessionStore, 'createPrompt' | 'prompt' | 'whole'> & {
  createPrompt(
    key: GenerationKey,
    entry: StoredPrompt,
  ): Promise<{ created: boolean; entry: StoredPrompt | undefined }>;
  prompt(key: GenerationKey): Promise<StoredPrompt | undefined>;
};
