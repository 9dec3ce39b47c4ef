import { defaultClientConditions, defineConfig } from 'vite';

/** Where `npm run dev` finds a running edge: pages come from vite, the WebSocket from there. */
const EDGE = process.env['SLUICE_EDGE_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Relative, so that any static host can serve the folder under any path.
  base: './',
  // Our packages are taken from their sources: no build of them is needed first.
  resolve: { conditions: ['sluice-source', ...defaultClientConditions] },
  server: { proxy: { '/v1': { target: EDGE, ws: true } } },
  build: {
    target: 'es2022',
    // The first ones with `light-dark()`: rewritten for older ones, it no longer follows the button for colours.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
});
