// OpenAI's own client against Sluice. Needs SLUICE_URL and SLUICE_TOKEN (README, "Ways in"), then:
//   node examples/openai.mjs "What is a sluice?"
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';

const input = process.argv[2] ?? 'What is a sluice?';
const client = new OpenAI({ baseURL: `${process.env.SLUICE_URL}/v1`, apiKey: process.env.SLUICE_TOKEN });
const [model] = (await client.models.list()).data;

console.log(`\n--- chat completion from ${model.id}`);
// The key lets the client try again without a second run; leaving the loop early would cancel.
const chunks = await client.chat.completions.create(
  { model: model.id, messages: [{ role: 'user', content: input }], stream: true },
  { headers: { 'Idempotency-Key': randomUUID() } },
);
for await (const chunk of chunks) process.stdout.write(chunk.choices[0]?.delta.content ?? '');

console.log('\n\n--- background response, left after 20 events and taken up again, by any edge');
let id;
let last;
const show = (event) => {
  last = event.sequence_number;
  if (event.type === 'response.output_text.delta') process.stdout.write(event.delta);
};
const request = { model: model.id, input, background: true, stream: true };
let events = 0;
for await (const event of await client.responses.create(request)) {
  if (event.type === 'response.created') id = event.response.id;
  show(event);
  if ((events += 1) === 20) break;
}
for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last }))
  show(event);
const { status, usage } = await client.responses.retrieve(id);
console.log('\n', status, usage);
