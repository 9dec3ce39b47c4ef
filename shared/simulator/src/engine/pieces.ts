/**
 * Cuts text the way a tokeniser would: short words with their leading space, bits of long words, numbers
 * by up to three digits, punctuation, and runs of white space. The pieces joined are the text.
 */
export const toPieces = (text: string): readonly string[] => text.match(PIECE) ?? [];

const PIECE = / ?\p{L}{1,8}| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]{1,3}|\s+/gu;
