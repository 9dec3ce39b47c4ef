import type { Msg } from 'nats';

/** What JetStream answers to a publish, without a schema: one comes per token record. What is no answer says nothing. */
export type PublishAnswer =
  | { readonly type: 'stored'; readonly sequence: number; readonly isDuplicate: boolean }
  | { readonly type: 'refused'; readonly code: number; readonly description: string }
  /** nobody serves the subject: an election, or JetStream not up yet */
  | { readonly type: 'status'; readonly code: number | undefined };

export const publishAnswerOf = (message: Msg): PublishAnswer => {
  if (message.data.length === 0) return { type: 'status', code: message.headers?.code };
  const { seq, duplicate, error } = fieldsOf(message.string());
  if (error === undefined && isSequence(seq))
    return { type: 'stored', sequence: seq, isDuplicate: duplicate === true };
  const { err_code: code = 0, description = '' } = isFields(error) ? error : {};
  return { type: 'refused', code: Number(code), description: String(description) };
};

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isSequence = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

const fieldsOf = (text: string): Fields => {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
};
