import { describe, expect, test } from '@jest/globals';
import { alternating } from '../../src/engines/openai/alternation.ts';
import { Manners } from '../../src/engines/openai/manners.ts';

const say = (role: string, content: unknown, more: object = {}) => ({
  role,
  content: content as string,
  ...more,
});

const BODY = {
  model: 'm',
  max_tokens: 5,
  stream_options: { include_usage: true },
  messages: [say('user', 'a'), say('user', 'b')],
};

describe('what a server wants otherwise', () => {
  test.each([
    [{ message: 'extra fields not permitted: stream_options' }, { stream_options: undefined }],
    [{ param: 'stream_options', code: 'unsupported_parameter' }, { stream_options: undefined }],
    [
      { message: "Unsupported parameter 'max_tokens', use 'max_completion_tokens'", param: 'max_tokens' },
      { max_tokens: undefined, max_completion_tokens: 5 },
    ],
    [
      { message: 'Conversation roles must alternate user/assistant/user/assistant/...' },
      { messages: [say('user', 'a\n\nb')] },
    ],
  ])('is learned from a refusal that says so: %j', (words, change) => {
    const manners = new Manners();
    manners.learnFrom({ status: 400, ...words }, BODY);
    expect(manners.count).toBe(1);
    const { stream_options, ...rest } = BODY;
    const asked = manners.applied(BODY);
    expect(asked).toEqual({ ...rest, stream_options, ...change });
    // Refused all the same: that it was not.
    manners.learnFrom({ status: 400, ...words }, asked);
    expect(manners.count).toBe(1);
  });

  test.each([
    ['a value that is wrong', { status: 400, param: 'max_tokens', message: 'max_tokens is too large' }, BODY],
    ['another status', { status: 500, param: 'stream_options' }, BODY],
    ['something else', { status: 400, message: 'maximum context length is 8 tokens' }, BODY],
    ['what the request does not have', { status: 400, param: 'stream_options' }, { model: 'm' }],
  ])('is not learned from a refusal of %s', (_, words, body) => {
    const manners = new Manners();
    manners.learnFrom(words, body);
    expect(manners.count).toBe(0);
  });
});

describe('lines that take turns', () => {
  test('are neighbours of one role in one line; calls, their results and the system stay apart', () => {
    const calling = say('assistant', null, { tool_calls: [{ id: 'c' }] });
    const result = say('tool', 'r', { tool_call_id: 'c' });
    expect(
      alternating([
        say('system', 's'),
        say('system', 't'),
        say('user', 'a'),
        say('user', 'b'),
        say('assistant', 'x'),
        say('assistant', 'y'),
        calling,
        result,
        result,
        say('user', 'c'),
      ]),
    ).toEqual([
      say('system', 's'),
      say('system', 't'),
      say('user', 'a\n\nb'),
      say('assistant', 'x\n\ny'),
      calling,
      result,
      result,
      say('user', 'c'),
    ]);
  });

  test('keep who says what', () => {
    const [ann, bob] = [say('user', 'hi', { name: 'ann' }), say('user', 'hello', { name: 'bob' })];
    expect(alternating([ann, bob])).toEqual([say('user', 'ann: hi\n\nbob: hello')]);
    expect(alternating([ann, ann])).toEqual([say('user', 'hi\n\nhi', { name: 'ann' })]);
  });

  test('keep pictures in their place', () => {
    const picture = { type: 'image_url', image_url: { url: 'data:' } };
    expect(alternating([say('user', 'look'), say('user', [picture])])).toEqual([
      say('user', [{ type: 'text', text: 'look' }, picture]),
    ]);
  });
});
