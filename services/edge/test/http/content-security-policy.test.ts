import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '@sluice/runtime';
import { edgeConfigSchema } from '../../src/config.ts';
import { contentSecurityPolicy } from '../../src/http/content-security-policy.ts';

describe('the web pages', () => {
  const requestsAllowed = (env: Record<string, string>): string | undefined => {
    const { webConnect } = loadConfig(edgeConfigSchema, env);
    return /connect-src ([^;]*)/.exec(contentSecurityPolicy(webConnect))?.[1];
  };

  test('may send requests to their edge, and elsewhere only where settings say so', () => {
    expect(requestsAllowed({})).toBe("'self' ws: wss:");
    expect(
      requestsAllowed({ SLUICE_EDGE_WEB_CONNECT: 'http://127.0.0.1:4321, https://sign-in.example' }),
    ).toBe("'self' ws: wss: http://127.0.0.1:4321 https://sign-in.example");
  });

  test.each(['*', 'https:', 'https://a.example/path', "https://a.example; script-src 'unsafe-inline'"])(
    'get no policy of which a part is %s',
    (SLUICE_EDGE_WEB_CONNECT) => {
      expect(() => requestsAllowed({ SLUICE_EDGE_WEB_CONNECT })).toThrow(ConfigError);
    },
  );
});
