/**
 * Answers to look at: headings, lists, code, tables, a quotation, short ones and long ones. Code blocks are
 * fenced with `~~~`, which Markdown allows and which needs no escapes in a template literal.
 */

const BACKPRESSURE = `## Backpressure, in one page

Backpressure is what happens when a **slow reader** is able to tell a **fast writer** to wait. Without it, the
difference between the two rates has to be stored somewhere, and that somewhere is always memory.

Three places where it is commonly lost:

1. **The socket.** \`socket.write()\` returns \`false\`, nobody looks at the result, and the process buffers.
2. **The broker.** A consumer is acknowledged on *delivery* instead of on *completion*.
3. **The upstream.** The HTTP response is read as fast as it comes, whatever happens downstream.

A writer that respects its reader fits in a few lines:

~~~ts
for await (const token of engine.generate(prompt, signal)) {
  await gate.admit();          // waits while the reader is a whole lead behind
  await log.append(token);     // one write in flight; the rest rides along
}
~~~

> A queue does not remove a rate mismatch. It only delays the moment at which you find out.

The useful question is therefore not "how large should this buffer be?" but *"who waits when it is full?"*. If
the answer is "nobody", the buffer is a leak with a friendly name.
`;

const DELIVERY = `**Short answer:** exactly-once *delivery* does not exist, exactly-once *effect* does.

A sender that hears nothing cannot know whether the message or the answer was lost. It can give up
(at most once) or try again (at least once). If every message carries a number that only ever rises, the
receiver drops what it has already seen, and trying again becomes harmless. That is all the magic there is.
`;

const TRANSPORTS = `# Choosing a transport for streamed answers

All three below can carry tokens to a browser. They differ in what happens on a bad day.

| | WebSocket | Server-sent events | Long polling |
|---|---|---|---|
| Direction | both | server to client | both, by turns |
| Resume | your protocol | \`Last-Event-ID\` | your protocol |
| Flow control | your protocol | TCP only | one answer at a time |
| Through old proxies | usually | nearly always | always |
| Cost per token | a few bytes | tens of bytes | a request |

## When to take which

- Take **WebSocket** when the client has something to say while the answer is running: acknowledgements,
  cancels, a second prompt, typing notices.
- Take **SSE** when the answer only flows one way and you would like \`curl\` to be a client:

  ~~~sh
  curl -N -H "Authorization: Bearer $TOKEN" \\
       -H "Last-Event-ID: 0-128" \\
       https://example.test/v1/sessions/demo/generations/42/events
  ~~~

- Take **long polling** when something between you and the reader insists on it.

## What matters more than the choice

1. Every token has a **position** that survives the connection.
2. The server can **replay** from any position without a scan.
3. Ends are *data*. A reader that connects late sees the same end as everybody else.

With those three in place the transport is a detail, and you may offer all of them over the same log.
`;

const RESUMABLE = `# A resumable token stream from first principles

People close laptops. Trains enter tunnels. Load balancers are restarted on Tuesdays. The model, meanwhile,
keeps writing. Below is a design in which none of that loses or repeats a single token.

## 1. Separate the text from the connection

The usual chat server ties an answer to the request that asked for it: the request dies, and the answer dies
with it. Instead, treat the answer as an **append-only log** and a viewer as a **position** in it.

~~~text
log:      [ 1 ][ 2 ][ 3 ][ 4 ][ 5 ][ 6 ][ 7 ]
viewer A                      ^ 4
viewer B                                  ^ 7   (caught up)
viewer C  ^ 0                                   (just arrived)
~~~

Live delivery, replay, a second tab and a slow phone are now the same operation: *move a position toward the
head of the log.*

## 2. Number everything once

Let the producer number tokens 1, 2, 3 and so on, without holes. A reader can then prove, not guess, that it
is complete:

~~~ts
const accept = (frame: Frame): void => {
  if (frame.from !== position) return requestReplay(position);
  text += frame.text;
  position = frame.seq;
};
~~~

Notice what is *not* there: no timers, no "wait 50 ms for stragglers", no sorting by timestamp.

## 3. Store first, show second

If a viewer can see a token that a replay would not contain, two tabs will eventually disagree. So the order is
fixed:

1. the worker appends the token to the log;
2. the log confirms that it is stored;
3. only then does anybody see it.

The price is one round trip to storage. Inside one data centre that is well below a millisecond, which a
person who reads five words per second will not notice.

## 4. Let readers pay for what they use

| Reader | What it needs | What it costs |
|---|---|---|
| caught up | the newest token | one shared frame |
| a little behind | a handful of tokens | one larger frame |
| gone for an hour | everything since | one request for its chunks |
| gone for good | nothing | nothing |

A viewer is two numbers, *sent* and *acknowledged*. There is no queue per viewer, hence no queue that grows.

## 5. Stop on purpose

Two verbs must never be confused:

- **detach**: I am not looking any more. The answer goes on, or is parked.
- **cancel**: please stop. The GPU becomes free, and the text so far is kept.

A cancel is confirmed with a receipt, for instance *"2 tokens after the cancel, engine released in 11 ms"*. What
can be measured can be promised.

## 6. Expect the worker to die

Give each attempt a number, and let the log refuse writes of an older attempt. Then a worker that was only
*slow*, and wakes up after its successor has begun, cannot write into somebody else's text.

~~~sql
-- the same idea in a database
UPDATE generation
   SET head = :next, attempt = :attempt
 WHERE id = :id AND head = :expected AND attempt <= :attempt;
~~~

## Checklist

- [ ] Positions survive reconnects, restarts and other devices
- [ ] Replay is bounded by what was missed, not by what exists
- [ ] Every buffer has a bound, and someone waits when it is full
- [ ] Ends, errors and cancels are records in the log
- [ ] A repeated request finds the same answer

If all five boxes are ticked, pull the network cable while you demonstrate it. It is the best slide you have.
`;

const SAMPLING = `## How a model picks the next token

For each position the model produces one score (a *logit*) per vocabulary entry. Turning scores into a choice
takes three steps.

1. **Temperature** divides the scores. Small values sharpen the distribution, large values flatten it.
2. **Top-p** keeps the smallest set of tokens whose probabilities add up to *p*.
3. A **random draw** picks one of those that remain.

~~~python
def sample(logits, temperature=0.8, top_p=0.95, rng=random):
    scaled = [x / temperature for x in logits]
    peak = max(scaled)
    weights = [exp(x - peak) for x in scaled]
    total = sum(weights)
    ranked = sorted(enumerate(w / total for w in weights), key=lambda pair: -pair[1])

    kept, mass = [], 0.0
    for token, probability in ranked:
        kept.append((token, probability))
        mass += probability
        if mass >= top_p:
            break

    draw = rng.random() * mass
    for token, probability in kept:
        draw -= probability
        if draw <= 0:
            return token
    return kept[-1][0]
~~~

With \`temperature → 0\` this becomes *greedy* decoding: the same prompt gives the same text, at least as long as
the arithmetic is done in the same order. Batching changes that order, which is why "temperature zero" is
**almost** but not quite deterministic on a busy server.

*Practical hint:* fix the seed when you test, fix nothing when you chat.
`;

const SLOW_CONSUMER = `### Finding the slow consumer

Work from the reader back to the writer and stop at the first queue that grows:

| Symptom | Likely cause | First look |
|---|---|---|
| one user is late | their network | \`bufferedAmount\` of that socket |
| one process is late | its event loop | event loop lag, GC pauses |
| everybody is late | storage | append latency, p99 |
| nobody is late, memory grows | a queue without an owner | heap snapshot, largest array |

Then change **one** thing and measure again:

- cap the number of frames in flight,
- join what has queued up into one frame,
- stop reading from the upstream.

Avoid raising the limit first. It moves the cliff; it does not remove it. 🧗
`;

const GREETING = `Hello! I am a *simulated* engine: the words are authored, the timing is real.

Ask me anything. The same question always gets the same answer, token for token, even if you pull the plug in
the middle.
`;

const SLUICE = `A **sluice** is a gate that lets water through at the rate the canal below can take. This one does it for tokens.

- A **worker** reads a model's answer and writes every token to a log in NATS JetStream.
- An **edge** sends each reader the log from where that reader is, no faster than it reads.
- A reader that loses its connection comes back with its position and goes on from the same token.

So an answer outlives the tab, the connection, the edge and the worker. This one is *simulated*: its words are
authored, its journey is real.
`;

/** Picked by the prompt's hash, after a line that says so. The order matters to nobody but the hash. */
export const AUTHORED_ANSWERS: readonly string[] = [
  BACKPRESSURE,
  DELIVERY,
  TRANSPORTS,
  RESUMABLE,
  SAMPLING,
  SLOW_CONSUMER,
  GREETING,
];

/** Questions that have an answer of their own; the first whose words are found counts. */
export const ANSWERS_BY_WORDS: readonly { readonly words: RegExp; readonly answer: string }[] = [
  { words: /\bwhat('s| is) (a |an )?sluice\b/i, answer: SLUICE },
  { words: /\bbackpressure\b/i, answer: BACKPRESSURE },
  { words: /\b(resumable|broken connection)\b/i, answer: RESUMABLE },
  { words: /\b(websocket|server-sent|sse|long polling)\b/i, answer: TRANSPORTS },
  { words: /\b(sampl\w+|next token)\b/i, answer: SAMPLING },
  { words: /\bslow (consumer|reader)s?\b/i, answer: SLOW_CONSUMER },
  { words: /\bexactly[- ]once\b/i, answer: DELIVERY },
];
