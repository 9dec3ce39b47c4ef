import { describe, expect, test } from '@jest/globals';
import { refusedByRules } from '@sluice/core';

const RULES = { params: [], urlHosts: [] };

describe('parameters', () => {
  test('the usual ones are asked', () => {
    const params = {
      ...{ temperature: 1, top_p: 1, max_tokens: 5, stop: ['x'], seed: 1, top_k: 3, min_p: 0.1 },
      ...{ presence_penalty: 1, frequency_penalty: 1, response_format: { type: 'json_object' } },
      ...{ tools: [], tool_choice: 'auto', parallel_tool_calls: true, reasoning_effort: 'low' },
    };
    expect(refusedByRules({ params }, RULES)).toBeUndefined();
  });

  test('the others are refused, each by its name', () => {
    const refused = refusedByRules({ params: { best_of: 64, temperature: 1, priority: 1 } }, RULES);
    expect(refused).toContain('`best_of`, `priority`: not accepted');
  });

  test('what a setting names is asked', () => {
    expect(refusedByRules({ params: { best_of: 2 } }, { ...RULES, params: ['best_of'] })).toBeUndefined();
  });

  test('a name that objects inherit is like any other', () => {
    const params = JSON.parse('{"__proto__": 1, "constructor": 1}') as Record<string, unknown>;
    expect(refusedByRules({ params }, RULES)).toContain('`__proto__`, `constructor`');
  });

  test('a refusal is short, whatever was asked', () => {
    const params = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, at) => [`${at}`.padStart(900, 'x'), 1]),
    );
    const refused = refusedByRules({ params }, RULES) ?? '';
    expect(refused).toContain('and 992 more');
    expect(refused.length).toBeLessThan(1_000);
  });

  test.each(['max_tokens', 'max_completion_tokens'])('%s is bounded where a setting says so', (name) => {
    const bounded = { ...RULES, maxTokens: 100 };
    expect(refusedByRules({ params: { [name]: 100 } }, bounded)).toBeUndefined();
    expect(refusedByRules({ params: { [name]: 101 } }, RULES)).toBeUndefined();
    expect(refusedByRules({ params: { [name]: 101 } }, bounded)).toContain('at most 100 (SLUICE_MAX_TOKENS)');
    for (const odd of ['100000', 1.5, -1, Infinity, null, [5]])
      expect(refusedByRules({ params: { [name]: odd } }, bounded)).toContain('expected an integer');
  });
});

describe('addresses', () => {
  const asked = (url: unknown, urlHosts: readonly string[] = []): string | undefined => {
    const content = [{ type: 'image_url', image_url: { url } }];
    return refusedByRules({ messages: [{ role: 'user', content }] }, { ...RULES, urlHosts });
  };

  test.each([
    'data:image/png;base64,AAAA',
    'https://example.com',
    'HTTPS://example.com:8443/a/b.png?c=d#e',
    'https://example.com/ä.png',
    'https://93.184.216.34/x.png',
    'https://172.32.0.1/',
    'https://[2606:4700::1111]/',
  ])('%s is told', (url) => expect(asked(url)).toBeUndefined());

  test.each([
    'http://example.com/x.png',
    'file:///etc/passwd',
    'FILE:/etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'javascript:alert(1)',
    '//example.com/x.png',
    '/etc/passwd',
    'x.png',
    '',
    // What other parsers read another host in.
    'https://example.com\\@127.0.0.1/',
    'https://example.com@127.0.0.1/',
    'https://127.0.0.1#@example.com/',
    'https://exa mple.com/',
    ' https://example.com/',
    'https://example.com/\n',
    'ht\ntps://127.0.0.1/',
    'https://%31%32%37.0.0.1/',
    'https://①②⑦.0.0.1/',
    'https:127.0.0.1',
    'https:///127.0.0.1',
    // Private, however it is written.
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://127.0.0.1./',
    'https://169.254.169.254/latest',
    'https://168.63.129.16/',
    'https://10.0.0.1/',
    'https://100.64.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fc00::1]/',
    'https://[fe80::1]/',
    'https://[2001:0:1::1]/',
    'https://[2002:7f00:1::]/',
    'https://[ff02::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://nats/',
    'https://a.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://nats.default.svc.cluster.local/',
  ])('%j is refused', (url) => expect(asked(url)).toContain('messages.0.content.0.image_url.url'));

  test('where hosts are named, only they are', () => {
    const hosts = ['cdn.example.com', '*.files.example', 'store.internal'];
    for (const url of [
      'https://cdn.example.com/x',
      'https://a.b.files.example/x',
      'https://store.internal/x',
    ])
      expect(asked(url, hosts)).toBeUndefined();
    for (const url of [
      'https://example.com/x',
      'https://evil-cdn.example.com/x',
      'https://cdn.example.com.evil.net/x',
      'https://files.example/x',
      'https://evilfiles.example/x',
      'http://store.internal/x',
    ])
      expect(asked(url, hosts)).toContain('one of the hosts in SLUICE_UPSTREAM_URL_HOSTS');
    expect(asked('data:image/png;base64,AA', ['none'])).toBeUndefined();
    expect(asked('https://example.com/x', ['none'])).toBeDefined();
  });

  test.each([
    { type: 'image_url', image_url: 'http://x.com/' },
    { image_url: 'http://x.com/' },
    { type: 'input_image', image_url: 'http://x.com/' },
    { type: 'input_file', file_url: 'http://x.com/' },
    { type: 'file', file: { file_data: 'file:///etc/passwd' } },
    { type: 'video_url', video_url: { url: 'http://x.com/' } },
    { type: 'input_audio', input_audio: { data: 'http://x.com/', format: 'wav' } },
    { type: 'odd', odd: [[{ urls: ['https://example.com/', 'http://x.com/'] }]] },
    { type: 'image_embeds', image_embeds: 'gASV' },
  ])('a part of any form is searched: %j', (part) => {
    const message = { role: 'user', content: [part] };
    expect(refusedByRules({ messages: [message] }, RULES)).toContain('`messages.0.content.0');
    expect(refusedByRules({ messages: [{ role: 'user', images: [part] }] }, RULES)).toBeDefined();
  });

  test('what is said is not an address', () => {
    const messages = [
      { role: 'user', content: 'http://127.0.0.1/' },
      { role: 'user', content: [{ type: 'text', text: 'file:///etc/passwd' }] },
      {
        ...{ role: 'assistant', content: null },
        tool_calls: [
          { id: 'c', type: 'function', function: { name: 'fetch', arguments: 'http://127.0.0.1/' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c', content: 'https://localhost/' },
    ];
    expect(refusedByRules({ messages }, RULES)).toBeUndefined();
  });
});
