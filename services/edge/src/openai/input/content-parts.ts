import { SluiceError } from '@sluice/protocol';
import { counted } from '@sluice/protocol/schema';
import { z } from 'zod';

/** A part of what was said, as chat completions or responses write it; what its other fields say passes unseen. */
const partSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});
export const contentSchema = z.union([z.string(), counted(10_000, z.array(partSchema))]);

type Part = z.infer<typeof partSchema>;
export type Content = z.infer<typeof contentSchema>;

const TEXTS: ReadonlySet<string> = new Set([
  'input_text',
  'output_text',
  'text',
  'reasoning_text',
  'refusal',
]);

/** What was said in the words of chat completions: one text, where it is nothing else. @throws SluiceError bad_frame */
export const chatContentOf = (content: Content, at: string): string | object[] => {
  if (typeof content === 'string') return content;
  return content.every(({ type }) => TEXTS.has(type))
    ? content.map(saidIn).join('')
    : content.map((part, index) => chatPartOf(part, `${at}.${index}`));
};

const saidIn = ({ text, refusal = '' }: Part): string => text ?? refusal;

/** A part of a response's input as a part of a chat message; one that is that already stays. @throws SluiceError bad_frame */
const chatPartOf = (part: Part, at: string): object => {
  const { type } = part;
  if (TEXTS.has(type)) return { type: 'text', text: saidIn(part) };
  if (type === 'input_image') return imageOf(part, at);
  if (type === 'input_file') return fileOf(part, at);
  if (type === 'image_url' || type === 'file' || type === 'input_audio') return part;
  throw wrong(`${at}.type`, 'expected text, `input_image`, `input_file` or `input_audio`');
};

/** Only responses have these; some clients send them in a chat completion as well. */
const OF_RESPONSES: ReadonlySet<string> = new Set(['input_text', 'output_text', 'input_image', 'input_file']);

/** The parts of a chat message, where parts of responses are among them; others pass unseen. @throws SluiceError bad_frame */
export const withChatParts = (parts: readonly unknown[], at: string): unknown[] =>
  parts.map((each, index) => {
    const part = partSchema.safeParse(each).data;
    return part !== undefined && OF_RESPONSES.has(part.type) ? chatPartOf(part, `${at}.${index}`) : each;
  });

const imageOf = ({ image_url: given, detail }: Part, at: string): object => {
  // Some clients write it as chat completions do.
  const url = typeof given === 'object' && given !== null && 'url' in given ? given.url : given;
  if (typeof url !== 'string') throw wrong(`${at}.image_url`, 'expected an address; files are not kept here');
  return {
    type: 'image_url',
    image_url: { url, ...(detail === undefined || detail === null ? {} : { detail }) },
  };
};

const fileOf = ({ file_data, filename, file_url, file_id }: Part, at: string): object => {
  if (typeof file_data === 'string')
    return { type: 'file', file: { ...(typeof filename === 'string' ? { filename } : {}), file_data } };
  const named = file_url === undefined || file_url === null ? 'file_id' : 'file_url';
  const given = named === 'file_id' && (file_id === undefined || file_id === null) ? 'file_data' : named;
  throw wrong(`${at}.${given}`, 'expected `file_data`, a data URL: files are neither kept nor fetched here');
};

export const wrong = (field: string, expected: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field}\`: ${expected}`);
