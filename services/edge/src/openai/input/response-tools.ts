import { SluiceError } from '@sluice/protocol';
import { z } from 'zod';
import { withoutNulls } from '../../requests/prompt-check.ts';

/**
 * How the tools of a response are told to an engine, which knows functions only, and how its calls are told back. One rule:
 * what the client runs itself becomes a function; what OpenAI's servers would run (`web_search`, `mcp`, …) is left out, since
 * nobody runs it here.
 */
export const toolSchema = z.looseObject({ type: z.string().min(1), name: z.string().min(1).optional() });
export const toolChoiceSchema = z.union([z.string(), toolSchema]);

type Tool = z.infer<typeof toolSchema>;

/** What a call is to the client. */
export type CallShape = {
  readonly type: 'function' | 'custom';
  readonly name: string;
  /** the group of tools that it is of */
  readonly namespace?: string;
};

type EngineTool = { readonly shape: CallShape; readonly definition: Readonly<Record<string, unknown>> };

/** Names of functions have at most this many characters: https://platform.openai.com/docs/api-reference/chat/create */
const MAX_NAME_CHARS = 64;

/** The name by which an engine knows a tool: a function of a group has the group's name before its own. */
export const engineNameOf = ({ name, namespace }: Pick<CallShape, 'name' | 'namespace'>): string =>
  namespace === undefined ? name : `${namespace}__${name}`.slice(-MAX_NAME_CHARS);

/** What each function of an engine is to the client. @throws SluiceError bad_frame */
export const callShapesOf = (tools: readonly Tool[]): ReadonlyMap<string, CallShape> =>
  new Map(engineToolsOf(tools, 'tools').map(({ shape }) => [engineNameOf(shape), shape]));

/** @returns undefined where there is none that an engine can be told. @throws SluiceError bad_frame */
export const chatToolsOf = (tools: readonly Tool[]): readonly object[] | undefined => {
  const known = engineToolsOf(tools, 'tools').map(({ shape, definition }) => ({
    type: 'function',
    function: { ...definition, name: engineNameOf(shape) },
  }));
  return known.length === 0 ? undefined : known;
};

/** @throws SluiceError bad_frame where the choice is a tool that nobody runs here */
export const chatToolChoiceOf = (
  choice: z.infer<typeof toolChoiceSchema> | undefined | null,
  tools: readonly object[] | undefined,
): unknown => {
  if (typeof choice === 'object' && choice !== null) return namedChoiceOf(choice);
  if (tools !== undefined) return choice;
  if (choice === 'required') throw refused('tool_choice', 'none of `tools` is run by the client');
  return undefined;
};

const namedChoiceOf = ({ type, name, namespace }: Tool): object => {
  if ((type !== 'function' && type !== 'custom') || name === undefined)
    throw refused('tool_choice', 'expected a word, a `function` or a `custom` tool by its name');
  const group = typeof namespace === 'string' ? { namespace } : {};
  return { type: 'function', function: { name: engineNameOf({ name, ...group }) } };
};

const engineToolsOf = (tools: readonly Tool[], at: string): EngineTool[] =>
  tools.flatMap((tool, index) => engineToolOf(tool, `${at}.${index}`));

const engineToolOf = (tool: Tool, at: string): EngineTool[] => {
  if (tool.type !== 'function' && tool.type !== 'custom' && tool.type !== 'namespace') return [];
  const { type, name, ...definition } = tool;
  if (name === undefined) throw refused(`${at}.name`, 'expected, got none');
  if (type === 'function')
    return [{ shape: { type: 'function', name }, definition: withoutNulls(definition) }];
  if (type === 'custom') return [{ shape: { type: 'custom', name }, definition: textInputOf(definition) }];
  const inner = groupSchema.safeParse(definition['tools']);
  if (!inner.success) throw refused(`${at}.tools`, `expected at most ${MAX_GROUP} tools that are no groups`);
  return engineToolsOf(inner.data, `${at}.tools`).map((each) => ({
    ...each,
    shape: { ...each.shape, namespace: name },
  }));
};

const MAX_GROUP = 256;
const isNoGroup = ({ type }: Tool): boolean => type !== 'namespace';
const groupSchema = z.array(toolSchema.refine(isNoGroup)).max(MAX_GROUP);

/** A tool that takes any text is a function with one text; what its text has to look like is said in words. */
const textInputOf = ({
  description,
  format,
}: Readonly<Record<string, unknown>>): EngineTool['definition'] => {
  const grammar = grammarSchema.safeParse(format).data;
  const said = [
    ...(typeof description === 'string' ? [description] : []),
    ...(grammar === undefined
      ? []
      : [`\`input\` follows this ${grammar.syntax} grammar:\n${grammar.definition}`]),
  ];
  return {
    ...(said.length === 0 ? {} : { description: said.join('\n\n') }),
    parameters: {
      type: 'object',
      properties: { [INPUT]: { type: 'string' } },
      required: [INPUT],
      additionalProperties: false,
    },
  };
};

const INPUT = 'input';
const grammarSchema = z.object({ type: z.literal('grammar'), syntax: z.string(), definition: z.string() });
const textInputSchema = z.object({ [INPUT]: z.string() });

/** The text that a custom tool is called with, as a function's arguments. */
export const argumentsOfInput = (input: string): string => JSON.stringify({ [INPUT]: input });

/** The same back; arguments of another form are the text themselves. */
export const inputOfArguments = (json: string): string => {
  try {
    return textInputSchema.safeParse(JSON.parse(json)).data?.[INPUT] ?? json;
  } catch {
    return json;
  }
};

const refused = (field: string, why: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field}\`: ${why}`);
