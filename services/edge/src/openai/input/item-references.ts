import { readChain, tokensOf } from '@sluice/bus';
import { SluiceError, kindOf, partRefOf, textOf, toolOf } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import type { Grant } from '../../auth/grant.ts';
import type { EdgeContext } from '../../connections/edge-context.ts';
import { wrong } from './content-parts.ts';
import { responseKeyOf } from '../response-id.ts';
import { inputItemSchema, isReference } from './response-input.ts';
import type { Input, InputItem } from './response-input.ts';
import { outputItemOf, piecesOfItem, ResponseOutput, responseOfEntry } from '../response-output.ts';
import type { OutputPiece } from '../response-output.ts';
import { readResponse } from '../stored-response.ts';

type Store = Pick<EdgeContext, 'bus' | 'clock'>;

const WHAT_TO_DO = 'give the item itself, or let the client send whole items (`store: false`)';

/**
 * A response's `input` with the items that it only names: clients that know their answers to be stored send nothing but
 * the ids of what they were told. @throws SluiceError bad_frame, forbidden; BusUnavailableError
 */
export const withReferences = async (input: Input, grant: Grant, store: Store): Promise<Input> => {
  if (typeof input === 'string' || !input.some(isReference)) return input;
  const outputs = new Map<string, ReadonlyMap<string, InputItem>>();
  const items: InputItem[] = [];
  for (const [index, item] of input.entries()) {
    if (!isReference(item)) items.push(item);
    else items.push(await referredTo(item.id ?? '', { at: `input.${index}.id`, grant, store, outputs }));
  }
  return items;
};

type Looking = {
  /** of the reference's id */
  readonly at: string;
  readonly grant: Grant;
  readonly store: Store;
  /** what was read already, by response */
  readonly outputs: Map<string, ReadonlyMap<string, InputItem>>;
};

const referredTo = async (id: string, { at, grant, store, outputs }: Looking): Promise<InputItem> => {
  const response = responseOfEntry(id);
  if (response === undefined) throw wrong(at, `expected the id of an output item; ${WHAT_TO_DO}`);
  const output = outputs.get(response) ?? (await outputOf(response, { at, grant, store }));
  outputs.set(response, output);
  const item = output.get(id);
  if (item === undefined) throw wrong(at, `there is no such item; ${WHAT_TO_DO}`);
  return item;
};

const outputOf = async (
  response: string,
  { at, grant, store }: Omit<Looking, 'outputs'>,
): Promise<ReadonlyMap<string, InputItem>> => {
  try {
    const key = responseKeyOf(grant, response, 'read');
    const { item, head } = await readResponse(key, store);
    if (item.status !== 'done') throw wrong(at, 'expected an item of a response that is done');
    const output = new ResponseOutput(head);
    for (const piece of (await piecesOfLog(key, store)) ?? piecesOfItem(item)) output.push(piece);
    output.end();
    return new Map(
      output.entries.map((entry) => [entry.id, inputItemSchema.parse(outputItemOf(entry, 'completed'))]),
    );
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found')
      throw wrong(at, `there is no such response any more; ${WHAT_TO_DO}`);
    throw error;
  }
};

/** As they were streamed, which is how clients know their order; undefined where the log does not have them any more. */
const piecesOfLog = async (
  key: GenerationKey,
  { bus }: Store,
): Promise<readonly OutputPiece[] | undefined> => {
  const head = await bus.tokens.head(key);
  const chain = head && (await readChain(bus.tokens, key, head, 0));
  if (chain?.complete !== true) return undefined;
  return tokensOf(chain).map((token) => {
    const [tool, part] = [toolOf(token), partRefOf(token)];
    return {
      ...{ kind: kindOf(token), text: textOf(token) },
      ...(tool === undefined ? {} : { tool }),
      ...(part === undefined ? {} : { part }),
    };
  });
};
