const STORED = 'sluice.kill';
const KEY = /^(\d{1,5})\.([0-9a-f]+)$/;

/** A process of the demo: the edge this page came from, or a worker by its name. */
export type Victim = 'edge' | `workers/${string}`;

/** Kills processes of `sluice up` on this machine, whose link brought the key to that. */
export class KillSwitch {
  readonly #url: string;
  readonly #authorization: string;
  readonly #listeners = new Set<() => void>();
  #refusal: string | undefined;

  constructor(port: string, token: string) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#authorization = `Bearer ${token}`;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Why the last order was refused; undefined: it was not. */
  readonly snapshot = (): string | undefined => this.#refusal;

  async kill(victim: Victim): Promise<void> {
    this.#refuse(undefined);
    const headers = { authorization: this.#authorization };
    try {
      const answer = await fetch(`${this.#url}/${victim}/kill`, { method: 'POST', headers });
      if (!answer.ok) this.#refuse(await answer.text());
    } catch {
      // What a browser says of it names no reason.
      this.#refuse('`sluice up` does not answer: open the link that it printed last');
    }
  }

  #refuse(refusal: string | undefined): void {
    this.#refusal = refusal;
    for (const listener of this.#listeners) listener();
  }
}

/** Lives as long as the tab, as the access token does. */
export const keepKillKey = (key: string | undefined): void =>
  key === undefined ? dropKillKey() : sessionStorage.setItem(STORED, key);

export const dropKillKey = (): void => sessionStorage.removeItem(STORED);

/** undefined where this page did not come by the demo's link */
export const keptKillSwitch = (): KillSwitch | undefined => {
  const [, port, token] = KEY.exec(sessionStorage.getItem(STORED) ?? '') ?? [];
  return port === undefined || token === undefined ? undefined : new KillSwitch(port, token);
};
