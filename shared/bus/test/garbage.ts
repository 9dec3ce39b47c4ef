export const deep = `${'['.repeat(10_000)}1${']'.repeat(10_000)}`;
/** What no kind of message is. */
export const GARBAGE: readonly string[] = [
  ...['', 'no JSON', '{}', '[]', '[{}]', 'null', '7', 'true', '"running"', '\ufffd\u0000'],
  ...['{"__proto__":{"type":"sync","state":"paused","worker":"w","running":[]}}', 'x'.repeat(900_000), deep],
  ...[
    '{"type":"ack","edge":1}',
    '{"type":"signal","user":"u"}',
    '{"type":"viewers","edge":"e","viewers":[7]}',
  ],
  `{"type":"signal","user":"u","connection":"c","data":${deep}}`,
];
