import { isFields } from '@sluice/core/parts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a model's server wants back with its reasoning and its calls, signatures for example, on its way through the
 * Responses API: reasoning has `encrypted_content` for that, which clients send back unread. A call has no field for it.
 */
const PREFIX = 'sluice1.';

const isEmpty = (fields: Fields): boolean => Object.keys(fields).length === 0;

/** Of a `reasoning` item; nothing where the server wants nothing back. */
export const encryptedContentOf = (fields: Fields): { readonly encrypted_content?: string } =>
  isEmpty(fields)
    ? {}
    : { encrypted_content: PREFIX + Buffer.from(JSON.stringify(fields)).toString('base64url') };

/** Nothing of what another server wrote: only that one can read it. */
export const fieldsInEncrypted = (content: unknown): Fields => {
  if (typeof content !== 'string' || !content.startsWith(PREFIX)) return {};
  try {
    const fields: unknown = JSON.parse(Buffer.from(content.slice(PREFIX.length), 'base64url').toString());
    return isFields(fields) ? fields : {};
  } catch {
    // Cut short on its way: as good as that of another server.
    return {};
  }
};

/** Of a `function_call` item. */
export const callFieldsOf = (fields: Fields): { readonly server_fields?: Fields } =>
  isEmpty(fields) ? {} : { server_fields: fields };

export const fieldsInCall = ({ server_fields: fields }: Fields): Fields => (isFields(fields) ? fields : {});
