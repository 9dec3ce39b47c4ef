/**
 * What only a client without a WebSocket, or with a large prompt, needs: a file of its own, loaded when it is first needed. Import
 * `@sluice/client/fallback` to have it from the start.
 *
 * Nothing in it imports at run time what the entry has as well, since bundlers would cut a third file for what
 * both share: such things are handed in, and numbers are checked by their types.
 */
export { HttpTransport } from './link/http.ts';
export { putPrompt } from './link/large-prompt.ts';
export { Upgrade } from './link/upgrade.ts';
