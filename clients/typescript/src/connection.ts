/** Everything that goes over the network: the key set, the feed, and the report of how far we are. */

import { LONGEST_DOCUMENT } from "./keys.js";
import type { CompleteSettings } from "./settings.js";

const KEYS_MILLISECONDS = 10_000;
const REPORT_MILLISECONDS = 5_000;

/** For how many milliseconds a feed may say nothing at all, and nothing whole. */
export interface FeedPatience {
  readonly silence: number;
  readonly event: number;
}

/** Requests to one Usher. Redirects are refused: the service token is for one address. */
export class Connection {
  readonly #base: string;
  readonly #authorization: string;

  constructor(
    settings: CompleteSettings,
    private readonly stopped: AbortSignal,
    private readonly patience: FeedPatience,
  ) {
    this.#base = settings.baseUrl;
    this.#authorization = `Bearer ${settings.feedToken}`;
  }

  /** The JWKS document, or a little more than it may have. */
  async fetchKeys(): Promise<Uint8Array> {
    const limit = new Limit(this.stopped, KEYS_MILLISECONDS);
    try {
      const response = await fetch(`${this.#base}/.well-known/jwks.json`, { signal: limit.signal, redirect: "error" });
      if (response.status !== 200) throw new Error(`the key set was answered with ${response.status}`);
      const pieces: Uint8Array[] = [];
      let length = 0;
      for await (const piece of limit.read(response)) {
        pieces.push(piece);
        length += piece.length;
        if (length > LONGEST_DOCUMENT) break;
      }
      return Buffer.concat(pieces);
    } finally {
      limit.end();
    }
  }

  /**
   * Opens the feed after a position, or from a snapshot, and gives its bytes as they come to `receive`, which says how
   * many events they completed. Ends with the feed. Throws when it was silent for too long, or brought no whole event
   * for too long: a server that sends a byte now and then would otherwise never be left.
   */
  async feed(resume: number | undefined, opened: () => void, receive: (chunk: Uint8Array) => number): Promise<void> {
    const limit = new Limit(this.stopped, this.patience.silence);
    const whole = setTimeout(() => limit.end(new Error("no whole event was heard for too long")), this.patience.event);
    whole.unref();
    const headers: Record<string, string> = {
      authorization: this.#authorization,
      accept: "text/event-stream",
      // Compression would hold small events back until there is enough to compress.
      "accept-encoding": "identity",
    };
    if (resume !== undefined) headers["last-event-id"] = String(resume);
    try {
      const address = `${this.#base}/api/v1/feed/revocations`;
      const response = await fetch(address, { headers, signal: limit.signal, redirect: "error" });
      const kind = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
      if (response.status !== 200 || kind !== "text/event-stream") {
        throw new Error(`the feed was answered with ${response.status} ${kind}`);
      }
      opened();
      for await (const piece of limit.read(response)) {
        limit.refresh();
        if (receive(piece) > 0) whole.refresh();
      }
    } finally {
      clearTimeout(whole);
      limit.end();
    }
  }

  /** Tells Usher how far the feed has been applied here, for those who want to see how far a ban has got. */
  async report(applied: number): Promise<void> {
    const limit = new Limit(this.stopped, REPORT_MILLISECONDS);
    try {
      const response = await fetch(`${this.#base}/api/v1/feed/position`, {
        method: "PUT",
        headers: { authorization: this.#authorization, "content-type": "application/json" },
        body: JSON.stringify({ applied }),
        signal: limit.signal,
        redirect: "error",
      });
      if (response.status !== 204) throw new Error(`the position was answered with ${response.status}`);
    } finally {
      limit.end();
    }
  }
}

/**
 * Ends a request when the verifier stops or when the time is up. `AbortSignal.any` and a signal that is left to
 * `fetch` do not do: in Node 20 the garbage collector may take away what would have ended the body, and it never ends.
 */
class Limit {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(
    private readonly stopped: AbortSignal,
    milliseconds: number,
  ) {
    this.#timer = setTimeout(this.#timeIsUp, milliseconds);
    this.#timer.unref();
    stopped.addEventListener("abort", this.#stop);
    if (stopped.aborted) this.end();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The time begins anew. */
  refresh(): void {
    this.#timer.refresh();
  }

  /** The pieces of an answer's body. Throws when the request was ended before the body. */
  async *read(response: Response): AsyncGenerator<Uint8Array> {
    if (response.body === null) return;
    this.#reader = response.body.getReader();
    for (;;) {
      const { done, value } = await this.#reader.read();
      this.signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  }

  /** Lets go of the connection, whether its body was read or not. */
  end(reason: Error = new Error("the request was ended")): void {
    clearTimeout(this.#timer);
    this.stopped.removeEventListener("abort", this.#stop);
    this.#controller.abort(reason);
    this.#reader?.cancel(reason).catch(() => undefined);
  }

  readonly #stop = (): void => this.end(new Error("the verifier was stopped"));
  readonly #timeIsUp = (): void => this.end(new Error("nothing was heard for too long"));
}

/** How long to wait before the next attempt: twice as long each time, and never the same for everybody. */
export class Backoff {
  #next: number;

  constructor(
    private readonly first: number,
    private readonly most: number,
  ) {
    this.#next = first;
  }

  /** The last attempt went well. */
  reset(): void {
    this.#next = this.first;
  }

  /** Milliseconds until the next attempt. */
  next(): number {
    const wait = this.#next;
    this.#next = Math.min(this.most, 2 * wait);
    return wait * (0.5 + 0.5 * Math.random());
  }
}
