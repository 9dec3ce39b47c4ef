// A backend as small as it gets, for the pages beside it: node examples/serve.mjs eventsource
//
// It serves a page, hands the browser its token, and passes /v1 on, so that all of it is one origin. In production the
// last is a proxy's work (deploy/nginx), and the token is signed for whoever is logged in.
import { createReadStream } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';

const { SLUICE_URL, SLUICE_TOKEN, PORT = '0' } = process.env;
const folder = join(import.meta.dirname, process.argv[2] ?? 'eventsource');
const PAGES = {
  '/': ['index.html', 'text/html'],
  '/sluice-client.js': ['sluice-client.js', 'text/javascript'],
};

const passOn = (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  // A page may only read with its cookie, so what it changes goes out in its backend's name.
  const authorization = headers.authorization ?? `Bearer ${SLUICE_TOKEN}`;
  const options = { method, headers: { ...headers, ...(method === 'GET' ? {} : { authorization }) } };
  const upstream = request(new URL(url, SLUICE_URL), options, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  upstream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => upstream.destroy());
  incoming.pipe(upstream);
};

const server = createServer((incoming, outgoing) => {
  const page = PAGES[incoming.url];
  if (page !== undefined) {
    outgoing.writeHead(200, {
      'content-type': page[1],
      'set-cookie': `sluice_token=${SLUICE_TOKEN}; HttpOnly; SameSite=Strict; Path=/v1`,
    });
    createReadStream(join(folder, page[0]))
      .on('error', () => outgoing.destroy())
      .pipe(outgoing);
  } else if (incoming.url === '/token') outgoing.end(SLUICE_TOKEN);
  else if (incoming.url === '/config') outgoing.end(JSON.stringify({ url: SLUICE_URL }));
  else if (incoming.url.startsWith('/v1/')) passOn(incoming, outgoing);
  else outgoing.writeHead(404).end();
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => process.exit(0));
