import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import * as browser from '../src/index.ts';
import * as node from '../src/node.ts';

const MAX_GZIPPED_BYTES = 12_000;

const bundle = async (contents: string): Promise<{ bytes: number; inputs: readonly string[] }> => {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['sluice-source'],
  });
  return { bytes: gzipSync(outputFiles[0]?.contents ?? '').length, inputs: Object.keys(metafile.inputs) };
};

describe('the browser build', () => {
  test('is smaller than 12 kB gzipped and depends on nothing', async () => {
    const { bytes, inputs } = await bundle(`export { connect } from '@sluice/client';`);
    expect(bytes).toBeLessThan(MAX_GZIPPED_BYTES);
    expect(inputs.filter((path) => path.includes('node_modules') || path.endsWith('node.ts'))).toEqual([]);
    expect(inputs).toContain('shared/client/src/index.ts');
  });

  test('offers the same names as the Node build', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort());
  });

  test('says what is missing on a platform without WebSocket', () => {
    const hasNone = !('WebSocket' in globalThis);
    if (hasNone) expect(() => browser.connect({ url: 'ws://edge', token: 'jwt' })).toThrow('WebSocket');
  });
});
