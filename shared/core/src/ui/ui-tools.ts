import { SluiceError } from '@sluice/protocol';

/** Somebody else's words. */
export type Fields = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** Of a tool that takes nothing. */
const NO_INPUT = { type: 'object', properties: {} };

/**
 * Tools as OpenAI has them. Applications send a list of those, or the AI SDK's: an object with the tools by their names.
 * @throws SluiceError bad_frame
 */
export const uiToolsOf = (tools: unknown = []): readonly unknown[] => {
  if (!isRecord(tools)) throw notFunctions('tools');
  return Object.entries(tools).map(([key, tool]) => {
    if (!isRecord(tool)) throw notFunctions(`tools.${key}`);
    if (isRecord(tool['function'])) return tool;
    // In a list, OpenAI's Responses and the AI SDK's models write the function without the object around it.
    return functionOf(Array.isArray(tools) ? tool['name'] : key, tool, key);
  });
};

const functionOf = (name: unknown, tool: Fields, key: string): unknown => {
  const { description, parameters, inputSchema } = tool;
  // One of a provider has an id and is run there.
  if (typeof name !== 'string' || 'id' in tool) throw notFunctions(`tools.${key}`);
  const schema = parameters ?? inputSchema ?? NO_INPUT;
  return {
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      // What `jsonSchema()` of the AI SDK makes keeps the schema inside.
      parameters: isRecord(schema) ? (schema['jsonSchema'] ?? schema) : schema,
      ...('strict' in tool ? { strict: tool['strict'] } : {}),
    },
  };
};

/** The AI SDK names the one tool to call as `{type: 'tool', toolName}`. */
export const uiToolChoiceOf = (choice: unknown): unknown =>
  isRecord(choice) && 'toolName' in choice
    ? { type: 'function', function: { name: choice['toolName'] } }
    : choice;

const notFunctions = (field: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field}\`: expected functions with a name`);
