import { SluiceError } from '@sluice/protocol';

/** What a chat sent cannot be meant. @param expected what its field should hold */
export const wrongField = (field: string, expected: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field}\`: expected ${expected}`);
