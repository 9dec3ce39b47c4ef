import type { Delta } from '@sluice/client';

/** Whether a terminal has a place for it: the JSON of parts, images for example, is not for people. */
export const isShown = ({ kind }: Delta): boolean => kind !== 'part';

/** Whether it is what a person asked for; a refusal is that as well. */
export const isAnswer = ({ kind }: Delta): boolean => kind === undefined || kind === 'refusal';
