import { wrongField } from './wrong-field.ts';

/** Somebody else's words. */
export type Fields = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const FUNCTIONS = 'functions with a name';
/** Of a tool that takes nothing. */
const NO_INPUT = { type: 'object', properties: {} };

/**
 * Tools as OpenAI has them. Applications send a list of those, or the AI SDK's: an object with the tools by their names.
 * @throws SluiceError bad_frame
 */
export const uiToolsOf = (tools: unknown = []): readonly unknown[] => {
  if (!isRecord(tools)) throw wrongField('tools', FUNCTIONS);
  return Object.entries(tools).map(([key, tool]) => {
    if (!isRecord(tool)) throw wrongField(`tools.${key}`, FUNCTIONS);
    if (isRecord(tool['function'])) return tool;
    // In a list, OpenAI's Responses and the AI SDK's models write the function without the object around it.
    return functionOf(Array.isArray(tools) ? tool['name'] : key, tool, key);
  });
};

const functionOf = (name: unknown, tool: Fields, key: string): unknown => {
  const { description, strict, parameters, inputSchema } = tool;
  // One of a provider has an id and is run there.
  if (typeof name !== 'string' || 'id' in tool) throw wrongField(`tools.${key}`, FUNCTIONS);
  const schema = parameters ?? inputSchema ?? NO_INPUT;
  return {
    type: 'function',
    function: {
      ...{ name, description, strict },
      // What `jsonSchema()` of the AI SDK makes keeps the schema inside.
      parameters: isRecord(schema) ? (schema['jsonSchema'] ?? schema) : schema,
    },
  };
};

/** The AI SDK names the one tool to call as `{type: 'tool', toolName}`. */
export const uiToolChoiceOf = (choice: unknown): unknown =>
  isRecord(choice) && 'toolName' in choice
    ? { type: 'function', function: { name: choice['toolName'] } }
    : choice;
