/** What takes the place of content that was erased: an item, a prompt, a part of a body or of a log. */
export const ERASED = '{"erased":true}';

export const isErased = (text: string): boolean => text === ERASED;
