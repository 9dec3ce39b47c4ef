import { DOORS } from './doors.ts';
import { openRawSocket } from './raw-socket.ts';

/**
 * An attacker in a process of its own, so that its work is not counted as the edge's: opens connections one after
 * another on a few lines at once, and says what it has to say until it is cut off.
 */
const LINES = 4;

const [url = '', from = '', name = '', bytesPerSecond = '0', forMs = '0'] = process.argv.slice(2);
const door = DOORS.find((one) => one.name === name);
if (door === undefined) throw new TypeError(`expected the name of a door, got ${name}`);
const until = performance.now() + Number(forMs);
let [sent, connections] = [0, 0];

const attack = async (): Promise<void> => {
  while (performance.now() < until) {
    const socket = await openRawSocket(url, from).catch(() => undefined);
    if (socket === undefined) continue;
    connections += 1;
    if (door.greeting !== undefined) await socket.send(door.greeting);
    const more = await socket.flood(door.flood, {
      forMs: until - performance.now(),
      bytesPerSecond: Number(bytesPerSecond) / LINES,
    });
    sent += more;
    socket.destroy();
  }
};

process.stdout.write('{"begun":true}\n');
await Promise.all(Array.from({ length: LINES }, attack));
process.stdout.write(`${JSON.stringify({ sent, connections })}\n`);
