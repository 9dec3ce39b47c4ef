import { describe, expect, test } from '@jest/globals';
import { inputSchema, messagesOfInput } from '../../src/openai/input/response-input.ts';
import { outputItemOf, ResponseOutput } from '../../src/openai/response-output.ts';
import { chatToolChoiceOf, chatToolsOf } from '../../src/openai/input/response-tools.ts';

const patch = {
  ...{ type: 'custom', name: 'apply_patch', description: 'Edits files.' },
  format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
};
const group = {
  ...{ type: 'namespace', name: 'agents', description: 'Other agents.' },
  tools: [{ type: 'function', name: 'close', parameters: {} }, { type: 'web_search' }],
};
const tools = [
  { type: 'function', name: 'get', parameters: {}, description: null },
  patch,
  group,
  ...['web_search', 'mcp', 'local_shell', 'file_search', 'code_interpreter'].map((type) => ({ type })),
];

describe('the tools of a response', () => {
  test('are functions of the engine where the client runs them; others are left out', () => {
    expect(chatToolsOf(tools)).toEqual([
      { type: 'function', function: { name: 'get', parameters: {} } },
      {
        type: 'function',
        function: {
          name: 'apply_patch',
          description: 'Edits files.\n\n`input` follows this lark grammar:\nstart: "x"',
          parameters: {
            ...{ type: 'object', properties: { input: { type: 'string' } } },
            ...{ required: ['input'], additionalProperties: false },
          },
        },
      },
      { type: 'function', function: { name: 'agents__close', parameters: {} } },
    ]);
    expect(chatToolsOf([{ type: 'web_search' }])).toBeUndefined();
  });

  test.each([
    [{ type: 'custom' }, '`tools.0.name`'],
    [{ type: 'namespace', name: 'a' }, '`tools.0.tools`'],
    [{ type: 'namespace', name: 'a', tools: [group] }, '`tools.0.tools`'],
    [{ type: 'namespace', name: 'a', tools: [{ type: 'function' }] }, '`tools.0.tools.0.name`'],
  ])('are refused by the name of what is wrong: %j', (tool, field) => {
    expect(() => chatToolsOf([tool])).toThrow(`${field}: `);
  });

  test('may be chosen by name, as long as the client runs them', () => {
    const known = chatToolsOf(tools);
    expect(chatToolChoiceOf('auto', known)).toBe('auto');
    expect(chatToolChoiceOf('auto', undefined)).toBeUndefined();
    const chosen = { type: 'function', function: { name: 'apply_patch' } };
    expect(chatToolChoiceOf({ type: 'custom', name: 'apply_patch' }, known)).toEqual(chosen);
    for (const choice of [{ type: 'web_search' }, { type: 'mcp', name: 'x' }])
      expect(() => chatToolChoiceOf(choice, known)).toThrow('`tool_choice`: ');
    expect(() => chatToolChoiceOf('required', undefined)).toThrow('`tool_choice`: ');
  });

  test('come back as what they were, and are understood when they are sent again', () => {
    const output = new ResponseOutput({ id: 's.g', note: { tools } });
    const calls = [
      ['get', '{"a":1}'],
      ['apply_patch', '{"input":"*** Begin\\n"}'],
      ['apply_patch', 'plain text'],
      ['agents__close', '{}'],
      ['unknown', '{}'],
    ] as const;
    for (const [index, [name, text]] of calls.entries())
      output.push({ kind: 'tool_call', text, tool: { index, id: `c${index}`, name } });
    const items = output.entries.map((entry) => outputItemOf(entry, 'completed'));
    const status = 'completed';
    expect(items).toEqual([
      { type: 'function_call', id: 'fc_s.g_0', call_id: 'c0', name: 'get', arguments: '{"a":1}', status },
      {
        ...{ type: 'custom_tool_call', id: 'ctc_s.g_1', call_id: 'c1', status },
        ...{ name: 'apply_patch', input: '*** Begin\n' },
      },
      {
        ...{ type: 'custom_tool_call', id: 'ctc_s.g_2', call_id: 'c2', status },
        ...{ name: 'apply_patch', input: 'plain text' },
      },
      {
        ...{ type: 'function_call', id: 'fc_s.g_3', call_id: 'c3', status },
        ...{ name: 'close', namespace: 'agents', arguments: '{}' },
      },
      { type: 'function_call', id: 'fc_s.g_4', call_id: 'c4', name: 'unknown', arguments: '{}', status },
    ]);
    const outputs = items.map((item, index) => ({
      type: item.type === 'custom_tool_call' ? 'custom_tool_call_output' : 'function_call_output',
      ...{ call_id: `c${index}`, output: `r${index}` },
    }));
    const [said, ...results] = messagesOfInput(inputSchema.parse([...items, ...outputs]));
    expect(said?.['tool_calls']).toMatchObject(
      calls.map(([name], index) => ({ id: `c${index}`, type: 'function', function: { name } })),
    );
    expect(results.map(({ content }) => content)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
  });

  test('that only OpenAI runs leave no trace in what an engine is told', () => {
    const input = inputSchema.parse([
      { role: 'user', content: 'hi' },
      { type: 'web_search_call', id: 'ws_1', status: 'completed' },
      { type: 'mcp_list_tools', id: 'm', server_label: 'x', tools: [] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'yes', annotations: [], logprobs: [] }] },
    ]);
    expect(messagesOfInput(input)).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'yes' },
    ]);
  });
});

test('files and sounds go to the engine as parts of a chat message', () => {
  const data = 'data:application/pdf;base64,JVBERi0=';
  const sound = { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } };
  const content = [
    { type: 'input_text', text: 'Read this.' },
    { type: 'input_file', filename: 'a.pdf', file_data: data },
    { type: 'input_image', image_url: 'data:image/png;base64,AA==' },
    sound,
    { type: 'image_url', image_url: { url: 'data:image/png;base64,BB==' } },
  ];
  expect(messagesOfInput(inputSchema.parse([{ role: 'user', content }]))[0]?.content).toEqual([
    { type: 'text', text: 'Read this.' },
    { type: 'file', file: { filename: 'a.pdf', file_data: data } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
    sound,
    { type: 'image_url', image_url: { url: 'data:image/png;base64,BB==' } },
  ]);
});
