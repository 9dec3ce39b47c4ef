/** What a broken or hostile program may publish in place of a message, and where it may do so. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';

const KIB = 1024;
const deep = (depth: number, open: string, close: string): string =>
  `${open.repeat(depth)}1${close.repeat(depth)}`;

/** Nothing that any part of the system says. */
export const GARBAGE: Readonly<Record<string, string | Uint8Array>> = {
  'an empty message': '',
  'an empty object': '{}',
  'an array': '[]',
  'an array of objects': '[{},{"type":"ack"}]',
  'a number': '7',
  null: 'null',
  'a string': '"running"',
  'no JSON': 'hello {"type":',
  'invalid UTF-8': Uint8Array.of(0xff, 0xfe, 0x7b, 0x7d, 0xc3, 0x28),
  'a BOM and NULs': Uint8Array.of(0xef, 0xbb, 0xbf, 0, 0, 0),
  '900 KB of text': 'x'.repeat(900 * KIB),
  '900 KB of JSON': JSON.stringify({ type: 'unheard-of', text: 'y'.repeat(900 * KIB) }),
  'deep arrays': deep(100_000, '[', ']'),
  'deep objects': deep(50_000, '{"data":', '}'),
  'a prototype': '{"__proto__":{"type":"ack","state":"paused"},"constructor":{"prototype":{"seq":1}}}',
  'an unknown state': '{"state":"exploded"}',
  'a state of another type': '{"state":{"state":"paused"}}',
  'half a viewer': '{"type":"join","edge":"edge-9"}',
  'viewers that are none': '{"type":"viewers","edge":"edge-9","viewers":7}',
  'viewers of wrong types': '{"type":"viewers","edge":"edge-9","viewers":[null,{"user":1}]}',
  'a deep signal': `{"type":"signal","user":"eve","connection":"c","data":${deep(20_000, '[', ']')}}`,
  'an ack of wrong types': '{"type":"ack","edge":7,"epoch":"0","seq":-1,"viewers":null}',
  'an ack beyond numbers': '{"type":"ack","edge":"e","epoch":0,"seq":1e400,"viewers":1}',
  'a cancel of nobody': '{"type":"cancel"}',
  'a run of nobody': '{"worker":"w-9","running":[{"org":"acme"}],"models":[7],"slots":-1}',
  'half an item': '{"id":"bad","kind":"generation","status":"running"}',
  'half a record': '{"v":2,"epoch":0,"attempt":1,"base":0,"at":1,"tokens":[1,null]}',
};

/** What the NATS user may publish to, as deploy/nats/users.conf lists it. */
export const publishableBy = (user: string): readonly string[] => {
  const conf = readFileSync(new URL('../../deploy/nats/users.conf', import.meta.url), 'utf8');
  const [, block = ''] = new RegExp(`user: "${user}"\n(.*?)subscribe \\{`, 's').exec(conf) ?? [];
  const lines = block.split('\n').filter((line) => !line.trim().startsWith('#'));
  return [...lines.join('\n').matchAll(/"([^"]+)"/g)].map(([, subject = '']) => subject);
};

/** Publishes every piece of garbage there. Where a stream keeps the subject, it waits until it is kept. */
export const pollute = async (nc: NatsConnection, subject: string): Promise<void> => {
  const isStored = /^(tok|job|own|open|body|\$KV)\./.test(subject);
  // A queue takes one message for each subject, whose last part is a number.
  const isQueue = /^(job|own)\./.test(subject);
  for (const payload of Object.values(GARBAGE)) {
    const place = isQueue ? subject.replace(/[^.]+$/, randomInt(2 ** 40).toString()) : subject;
    if (isStored) await jetstream(nc).publish(place, payload);
    else nc.publish(subject, payload);
  }
  await nc.flush();
};
