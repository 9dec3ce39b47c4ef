import type { GenerationItem, Item } from '@sluice/protocol';
import type { UiMessage, UiPart } from './ui-messages.ts';
import { uiMessageIdOf, uiQuestionIdOf, uiQuestionOf } from './ui-prompt.ts';

type Turn = { readonly id: string };

/**
 * A session's turns, oldest first, as a chat shows them: a question that was asked again, or was changed, cuts off its
 * earlier answer and what the chat said after it. Turns that came some other way stay.
 * @param next the generation that follows, which may be such an answer itself
 */
export const latestTurns = <Each extends Turn>(turns: readonly Each[], next?: string): readonly Each[] => {
  let latest: readonly Each[] = [];
  for (const turn of turns) latest = [...before(latest, turn.id), turn];
  return next === undefined ? latest : before(latest, next);
};

const before = <Each extends Turn>(turns: readonly Each[], generation: string): readonly Each[] => {
  // A later step goes on with an answer, and takes the place of none.
  if (uiQuestionOf(generation) === undefined || uiMessageIdOf(generation) !== generation) return turns;
  const question = uiQuestionIdOf(generation);
  const first = turns.findIndex(({ id }) => uiQuestionIdOf(id) === question);
  return turns.filter(
    ({ id }, at) => first === -1 || at < first || (at > first && uiQuestionOf(id) === undefined),
  );
};

/** What a session's items, oldest first, are in a chat: each question once, and all steps of an answer in one message. */
export const uiMessagesOf = (items: readonly Item[]): readonly UiMessage[] => {
  const messages = new Map<string, UiMessage>();
  const add = (id: string, role: UiMessage['role'], parts: readonly UiPart[]): void => {
    const earlier = messages.get(id)?.parts.filter(isNoOpenCall) ?? [];
    if (earlier.length + parts.length > 0) messages.set(id, { id, role, parts: [...earlier, ...parts] });
  };
  for (const item of latestTurns(items)) {
    if (item.kind === 'message') add(item.id, 'user', [{ type: 'text', text: item.text }]);
    else {
      if (item.input !== '') add(uiQuestionIdOf(item.id), 'user', [{ type: 'text', text: item.input }]);
      // An answer that is not done comes with the stream that is resumed.
      add(uiMessageIdOf(item.id), 'assistant', item.status === 'done' ? answerOf(item) : []);
    }
  }
  return [...messages.values()];
};

const answerOf = ({ text, preview, reasoning, toolCalls = [] }: GenerationItem): readonly UiPart[] => {
  const said = text ?? preview ?? '';
  const parts: readonly UiPart[] = [
    ...(reasoning === undefined ? [] : [{ type: 'reasoning', text: reasoning }]),
    ...(said === '' ? [] : [{ type: 'text', text: said }]),
    ...toolCalls.map(({ id, name, arguments: given }) => ({
      ...{ type: `tool-${name}`, toolCallId: id, state: 'input-available', input: inputOf(given) },
    })),
  ];
  return parts.length === 0 ? [] : [{ type: 'step-start' }, ...parts];
};

/** Once a later step is there, the call has its result, which is in the prompt of that step alone. */
const isNoOpenCall = ({ state }: UiPart): boolean => state !== 'input-available';

const inputOf = (text: string): unknown => {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return text;
  }
};
