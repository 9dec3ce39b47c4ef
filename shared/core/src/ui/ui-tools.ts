import { SluiceError } from '@sluice/protocol';

/** Somebody else's words. */
export type Fields = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of a tool that takes nothing. */
const NO_INPUT = { type: 'object', properties: {} };

/**
 * Tools as OpenAI has them. Applications send a list of those, or the AI SDK's: an object with the tools by their names.
 * @returns undefined where there are none, which some engines would refuse. @throws SluiceError bad_frame
 */
export const uiToolsOf = (value: unknown): readonly unknown[] | undefined => {
  const tools = Array.isArray(value) ? value.map(listedTool) : namedTools(value);
  return tools.length === 0 ? undefined : tools;
};

const namedTools = (value: unknown): readonly unknown[] => {
  if (!isRecord(value)) throw wrong('tools', 'expected a list, or an object with tools by their names');
  return Object.entries(value).map(([name, tool]) => {
    if (!isRecord(tool)) throw wrong(`tools.${name}`, 'expected a tool');
    return functionOf(name, tool);
  });
};

/** OpenAI's Responses and the AI SDK's models write a function without the object around it. */
const listedTool = (tool: unknown, at: number): unknown => {
  if (!isRecord(tool) || isRecord(tool['function'])) return tool;
  const { name } = tool;
  if (typeof name !== 'string') throw wrong(`tools.${at}`, 'expected a function with a name');
  return functionOf(name, tool);
};

const functionOf = (name: string, tool: Fields): unknown => {
  const { type, description, strict } = tool;
  if (typeof type === 'string' && type.startsWith('provider'))
    throw wrong(`tools.${name}`, 'expected a function; tools of a provider are not run here');
  const schema = tool['parameters'] ?? tool['inputSchema'] ?? NO_INPUT;
  // What `jsonSchema()` of the AI SDK makes keeps the schema inside.
  const inner = isRecord(schema) && isRecord(schema['jsonSchema']) ? schema['jsonSchema'] : schema;
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      parameters: inner,
      ...(typeof strict === 'boolean' ? { strict } : {}),
    },
  };
};

/** The AI SDK names the one tool to call as `{type: 'tool', toolName}`. */
export const uiToolChoiceOf = (value: unknown): unknown =>
  isRecord(value) && value['type'] === 'tool'
    ? { type: 'function', function: { name: value['toolName'] } }
    : value;

const wrong = (field: string, expected: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field.slice(0, 64)}\`: ${expected}`);
