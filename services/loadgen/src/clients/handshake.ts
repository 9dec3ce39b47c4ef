const HEADER_END = '\r\n\r\n';

/** Reads the head of an HTTP answer; returns the bytes after it once it is complete. */
export class Handshake {
  readonly #status: number;
  #answer = '';

  /** @param status that the server must answer with */
  constructor(status: number) {
    this.#status = status;
  }

  /** @throws Error when the answer has another status */
  push(bytes: Buffer): Buffer | undefined {
    this.#answer += bytes.toString('latin1');
    const end = this.#answer.indexOf(HEADER_END);
    if (end < 0) return undefined;
    if (!this.#answer.startsWith(`HTTP/1.1 ${this.#status} `))
      throw new Error(`expected ${this.#status}, got ${this.#answer.slice(0, 100)}`);
    return Buffer.from(this.#answer.slice(end + HEADER_END.length), 'latin1');
  }
}

/** The head of a GET. */
export const requestHead = (port: number, path: string, headers: readonly string[] = []): string =>
  [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, HEADER_END.slice(2)].join('\r\n');

/** The head of a request for a WebSocket. */
export const upgradeHead = (port: number, path: string, headers: readonly string[] = []): string =>
  requestHead(port, path, [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IhIQ==',
    ...headers,
  ]);
