import type { IncomingMessage } from 'node:http';
import type { MockFaults } from './faults.ts';
import type { Quirks } from './quirks.ts';

type Refusal = Required<Pick<MockFaults, 'status' | 'errorBody'>>;

const refusal = (status: number, message: string): Refusal => ({
  status,
  errorBody: JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
});

const rolesOf = (body: Readonly<Record<string, unknown>>): readonly unknown[] =>
  (body['messages'] as readonly { readonly role?: unknown }[]).map(({ role }) => role);

/** Why a server of this dialect does not take a request; undefined: it does. */
export const refusalBy = (
  quirks: Quirks,
  headers: IncomingMessage['headers'],
  body: Readonly<Record<string, unknown>>,
): Refusal | undefined => {
  if (quirks.hasOwnKeyHeader && headers.authorization !== undefined)
    return refusal(401, 'expected the header api-key');
  const roles = rolesOf(body);
  const unknown = quirks.unknown.find((name) => body[name] !== undefined || roles.includes(name));
  if (unknown !== undefined) return refusal(422, `Extra inputs are not permitted: ${unknown}`);
  const isRepeated = (role: unknown, at: number): boolean => role !== 'tool' && role === roles[at - 1];
  return quirks.alternates && roles.some(isRepeated)
    ? refusal(400, 'Conversation roles must alternate user/assistant/user/assistant/...')
    : undefined;
};
