import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from '@jest/globals';
import { build, stop } from 'esbuild';
import * as entry from '@sluice/client';
import { platform as browser } from '../src/browser-platform.ts';
import { connectOn } from '../src/connect.ts';

const MAX_GZIPPED_BYTES = 12_600;
const MAX_FALLBACK_BYTES = 3_000;
const MAX_CHAT_BYTES = 4_000;

afterAll(() => stop());

type Bundle = {
  /** gzipped size of what a page loads at once */
  readonly bytes: number;
  /** the same for what it loads when it is needed */
  readonly lazyBytes: number;
  /** source files of the former */
  readonly inputs: readonly string[];
};

const bundle = async (contents: string): Promise<Bundle> => {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)), sourcefile: 'page.js' },
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    outdir: '/out',
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['sluice-source'],
  });
  const outputs = Object.values(metafile.outputs);
  const sizes = outputFiles.map(({ contents: file }) => gzipSync(file).length);
  const lazy = new Set(
    outputs.flatMap(({ imports }) =>
      imports.flatMap(({ kind, path }) => (kind === 'dynamic-import' ? [path] : [])),
    ),
  );
  const isLazy = Object.keys(metafile.outputs).map((path) => lazy.has(path));
  const sum = (of: boolean): number =>
    sizes.reduce((total, size, index) => total + (isLazy[index] === of ? size : 0), 0);
  const inputs = outputs.flatMap((output, index) => (isLazy[index] ? [] : Object.keys(output.inputs)));
  return { bytes: sum(false), lazyBytes: sum(true), inputs };
};

describe('the browser build', () => {
  test('is smaller than 12.6 kB gzipped, its fallback than 3 kB, and depends on nothing', async () => {
    const { bytes, lazyBytes, inputs } = await bundle(`export { connect } from '@sluice/client';`);
    expect(bytes).toBeLessThan(MAX_GZIPPED_BYTES);
    expect(lazyBytes).toBeLessThan(MAX_FALLBACK_BYTES);
    expect(lazyBytes).toBeGreaterThan(0);
    expect(
      inputs.filter((path) => path.includes('node_modules') || path.endsWith('node-platform.ts')),
    ).toEqual([]);
    expect(inputs).toContain('shared/client/src/index.ts');
    expect(inputs).not.toContain('shared/client/src/link/http.ts');
    expect(inputs.filter((path) => path.endsWith('ai-sdk.ts') || path.startsWith('shared/core'))).toEqual([]);
  });

  test('for chats of the AI SDK adds less than 4 kB, and nothing of the SDK', async () => {
    const { bytes, inputs } = await bundle(`export { SluiceChatTransport } from '@sluice/client/ai-sdk';`);
    expect(bytes).toBeLessThan(MAX_CHAT_BYTES);
    expect(inputs.filter((path) => path.includes('node_modules'))).toEqual([]);
    expect(inputs).toContain('shared/client/src/ai-sdk.ts');
  });

  test('offers one way in, its errors and nothing that takes internals', () => {
    expect(Object.keys(entry).sort()).toEqual([
      'ClientError',
      'ClosedError',
      'DetachedError',
      'GenerationFailedError',
      'ProtocolError',
      'RequestError',
      'connect',
      'newId',
    ]);
  });

  test('says what is missing on a platform without WebSocket', () => {
    const platform = { ...browser(), WebSocket: undefined };
    expect(() => connectOn(platform, { url: 'ws://edge', token: 'jwt' })).toThrow('WebSocket');
  });
});
