import { describe, expect, test } from '@jest/globals';
import { CLOSE_CODES } from '@sluice/protocol';
import { ManualClock } from '@sluice/testkit';
import { keyOf } from '../support/asking.ts';
import { hold } from '../support/hold.ts';
import { ChatSocket } from '../support/chat-socket.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { messageIn, said, untilText } from '../support/ui-chat.ts';
import { freshScene } from '../support/scene.ts';
import { tokenOf } from '../support/world.ts';

const scene = freshScene();

const open = (token = tokenOf()): Promise<ChatSocket> => ChatSocket.open(scene.target, { token });
const claimed = async (chat: ChatSocket, requestId: string): Promise<FakeRun> => {
  await chat.reply(requestId, 'chunk');
  const run = await scene.worker.claim(keyOf('c1', messageIn(chat.chunks(requestId))));
  await run.serve();
  return run;
};
const has = (chat: ChatSocket, requestId: string, text: string): Promise<unknown> =>
  untilText(() => chat.chunks(requestId), text);

describe('the WebSocket chat of the AI SDK', () => {
  test('answers a request with chunks that are numbered from 0 without a gap', async () => {
    const chat = await open();
    const asked = chat.send([said('Why?')]);
    const run = await claimed(chat, asked);
    await run.write('Beca', 'use.');
    await run.end({ reason: 'stop' });
    await chat.reply(asked, 'end');
    await has(chat, asked, 'Because.');
    const replies = chat.to(asked);
    expect([replies[0]?.type, replies.at(-1)?.type]).toEqual(['start', 'end']);
    const numbers = replies.slice(1, -1).map(({ sequence }) => sequence);
    expect(numbers).toEqual(numbers.map((_, at) => at));
    expect(chat.chunks(asked).at(-1)).toEqual({ type: 'finish', finishReason: 'stop' });
  });

  test('resumes from the start in another tab, while an abort in the first stops nothing', async () => {
    const [first, second] = [await open(), await open()];
    const asked = first.send([said('Why?')]);
    const run = await claimed(first, asked);
    await run.write('Be');
    await has(first, asked, 'Be');
    const resumed = second.ask('resume');
    await has(second, resumed, 'Be');
    expect(messageIn(second.chunks(resumed))).toBe(messageIn(first.chunks(asked)));
    first.say({ type: 'abort', requestId: asked });
    // Answered in order: what was sent before has been handled.
    await first.reply(first.ask('resume', { id: 'other' }), 'no-active');
    const before = first.replies.length;
    await run.write('cause.');
    await has(second, resumed, 'Because.');
    expect([first.replies.length, run.cancels]).toEqual([before, []]);
  });

  test('serves two requests for one answer side by side', async () => {
    const chat = await open();
    const question = said('Why?');
    const asked = chat.send([question]);
    const run = await claimed(chat, asked);
    await run.write('Be');
    const again = chat.send([question]);
    await run.write('cause.');
    for (const request of [asked, again]) await has(chat, request, 'Because.');
    chat.ask('resume', { requestId: again });
    await chat.reply(again, 'error');
    await run.write(' Really.');
    for (const request of [asked, again]) await has(chat, request, 'Because. Really.');
  });

  test('says no-active when nothing runs, and replays a message that is named', async () => {
    const chat = await open();
    await chat.reply(chat.ask('resume'), 'no-active');
    const asked = chat.send([said('Why?')]);
    const run = await claimed(chat, asked);
    await run.write('Because.');
    await run.end({ reason: 'stop' });
    await chat.reply(asked, 'end');
    const replayed = chat.ask('resume', { body: { message: messageIn(chat.chunks(asked)) } });
    await chat.reply(replayed, 'end');
    await has(chat, replayed, 'Because.');
  });

  test('refuses a request without taking others down with it', async () => {
    const chat = await open(tokenOf({ sessions: ['c*'] }));
    const asked = chat.send([said('Why?')]);
    await claimed(chat, asked);
    const bad = [
      chat.ask('resume', { id: 'd1' }),
      chat.ask('resume', { lastSequence: 3 }),
      chat.send([]),
      chat.ask('send', { messages: 'many' }),
    ];
    for (const requestId of bad) expect((await chat.reply(requestId, 'error')).errorText).toMatch(/./);
    expect(chat.to(asked).some(({ type }) => type === 'error')).toBe(false);
    chat.say('{"type":"resume"}');
    expect(await chat.closed).toBe(CLOSE_CODES.badFrames);
  });

  test('lets no chat wait for another, and an abort only for its own request', async () => {
    const chat = await open();
    const running = chat.send([said('Why?')], { id: 'c2' });
    await chat.reply(running, 'chunk');
    const release = hold(scene.target.recording.bus.sessions, 'createPrompt', (key) =>
      JSON.stringify(key).includes('"c1"'),
    );
    const slow = chat.send([said('What?')]);
    const next = chat.send([said('Who?')]);
    const other = chat.send([said('When?')], { id: 'c3' });
    await chat.reply(other, 'chunk');
    chat.say({ type: 'abort', requestId: running });
    // An id may be used again once its request has ended.
    chat.ask('resume', { id: 'c4', requestId: running });
    await chat.reply(running, 'no-active');
    chat.say({ type: 'abort', requestId: slow });
    expect([...chat.to(slow), ...chat.to(next)]).toEqual([]);
    release();
    await chat.reply(next, 'chunk');
    expect(chat.to(slow).filter(({ type }) => type === 'error')).toEqual([]);
    const before = chat.to(slow).length;
    const [generation] = (await scene.world.bus.sessions.items(keyOf('c1', 'x'), 0)).items;
    const run = await scene.worker.claim(keyOf('c1', generation?.item.id ?? ''));
    await run.write('never shown');
    await run.end({ reason: 'stop' });
    const last = await scene.worker.claim(keyOf('c1', messageIn(chat.chunks(next))));
    await last.write('shown');
    await has(chat, next, 'shown');
    expect(chat.to(slow)).toHaveLength(before);
  });
});

describe('the credential of an AI SDK chat', () => {
  test('comes with the upgrade, as a subprotocol or with a request', async () => {
    const protocols = ['sluice.ai-sdk.v1', `bearer.${tokenOf()}`];
    const bySubprotocol = await ChatSocket.open(scene.target, { protocols });
    expect(bySubprotocol.socket.protocol).toBe('sluice.ai-sdk.v1');
    const byFrame = await ChatSocket.open(scene.target);
    const headers = { authorization: `Bearer ${tokenOf()}` };
    for (const chat of [bySubprotocol, byFrame])
      await chat.reply(chat.ask('resume', { headers }), 'no-active');
    await byFrame.reply(byFrame.ask('resume'), 'no-active');
    await expect(ChatSocket.open(scene.target, { protocols: ['other'] })).rejects.toThrow('400');
  });

  test('that is missing or wrong is told, and closes with the code of /v1/ws', async () => {
    const without = await ChatSocket.open(scene.target);
    without.ask('resume');
    expect(await without.closed).toBe(CLOSE_CODES.credential);
    const wrong = await open('not.a.token');
    expect(await wrong.closed).toBe(CLOSE_CODES.credential);
    const wrongFrame = await ChatSocket.open(scene.target);
    wrongFrame.ask('resume', { headers: { authorization: 'Bearer not.a.token' } });
    expect(await wrongFrame.closed).toBe(CLOSE_CODES.credential);
  });

  test('may be renewed by the same user, and what the new one does not reach is left', async () => {
    const chat = await open();
    const asked = chat.send([said('Why?')]);
    const run = await claimed(chat, asked);
    const bearer = (as: object): object => ({ headers: { authorization: `Bearer ${tokenOf(as)}` } });
    const other = chat.ask('resume', { id: 'd1', ...bearer({ user: 'bob' }) });
    expect((await chat.reply(other, 'error')).errorText).toContain('`sub`');
    await chat.reply(chat.ask('resume', { id: 'd1', ...bearer({ sessions: ['d*'] }) }), 'no-active');
    await chat.reply(asked, 'error');
    const before = chat.replies.length;
    await run.write('Because.');
    await chat.reply(chat.ask('resume', { id: 'd1' }), 'no-active');
    expect(chat.replies.length).toBe(before + 1);
  });

  test('is given up on when it does not come, and when it has expired', async () => {
    const clock = new ManualClock(Date.now());
    scene.target = await scene.world.addEdge({ clock });
    const [silent, expiring] = [await ChatSocket.open(scene.target), await open(tokenOf({ ttlS: 60 }))];
    await expiring.reply(expiring.ask('resume'), 'no-active');
    clock.advance(6_000);
    expect(await silent.closed).toBe(CLOSE_CODES.authTimeout);
    clock.advance(120_000);
    expect(await expiring.closed).toBe(CLOSE_CODES.credential);
  });
});
