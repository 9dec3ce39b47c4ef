// The SDK in Node: node --import tsx --conditions=sluice-source examples/node.mjs 'What is a sluice?'
import { connect } from '@sluice/client';

const client = connect({
  url: process.env.SLUICE_URL,
  token: process.env.SLUICE_TOKEN,
  onStatus: ({ type }) => console.error(`[${type}]`),
});

const generation = client.session('from-node').prompt({
  input: process.argv[2] ?? 'What is a sluice?',
  params: { max_tokens: 60 },
});
// Ctrl-C stops the model; closing the connection alone would not.
process.once('SIGINT', () => void generation.cancel());

for await (const { text } of generation) process.stdout.write(text);
const { reason, seq } = await generation.end;
console.error(`\n[${reason} after ${seq} tokens]`);
await client.close();
