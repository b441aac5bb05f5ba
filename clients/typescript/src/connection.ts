/** Everything that goes over the network: the key set, the feed, and the report of how far we are. */

import { LONGEST_DOCUMENT } from "./keys.js";
import type { CompleteSettings } from "./settings.js";

const KEYS_MILLISECONDS = 10_000;
const REPORT_MILLISECONDS = 5_000;
/** The feed says something every 5 s. A connection that is silent for three times as long is dead. */
const FEED_SILENCE_MILLISECONDS = 15_000;

/** Requests to one Usher. Redirects are refused: the service token is for one address. */
export class Connection {
  readonly #base: string;
  readonly #authorization: string;

  constructor(
    settings: CompleteSettings,
    private readonly stopped: AbortSignal,
  ) {
    this.#base = settings.baseUrl;
    this.#authorization = `Bearer ${settings.feedToken}`;
  }

  /** The JWKS document, or a little more than it may have. */
  async fetchKeys(): Promise<Uint8Array> {
    const signal = AbortSignal.any([this.stopped, AbortSignal.timeout(KEYS_MILLISECONDS)]);
    const response = await fetch(`${this.#base}/.well-known/jwks.json`, { signal, redirect: "error" });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new Error(`the key set was answered with ${response.status}`);
    }
    const pieces: Uint8Array[] = [];
    let length = 0;
    // Leaving the loop cancels the rest of the body.
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      length += piece.length;
      if (length > LONGEST_DOCUMENT) break;
    }
    return Buffer.concat(pieces);
  }

  /** Opens the feed after a position, or from a snapshot, and gives its bytes as they come. */
  async *feed(resume: number | undefined, opened: () => void): AsyncGenerator<Uint8Array> {
    const silence = new AbortController();
    const silent = setTimeout(() => silence.abort(new Error("the feed is silent")), FEED_SILENCE_MILLISECONDS);
    silent.unref();
    const headers: Record<string, string> = {
      authorization: this.#authorization,
      accept: "text/event-stream",
      // Compression would hold small events back until there is enough to compress.
      "accept-encoding": "identity",
    };
    if (resume !== undefined) headers["last-event-id"] = String(resume);
    try {
      const signal = AbortSignal.any([this.stopped, silence.signal]);
      const response = await fetch(`${this.#base}/api/v1/feed/revocations`, { headers, signal, redirect: "error" });
      const kind = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
      if (response.status !== 200 || kind !== "text/event-stream" || response.body === null) {
        await response.body?.cancel();
        throw new Error(`the feed was answered with ${response.status} ${kind}`);
      }
      opened();
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        silent.refresh();
        yield piece;
      }
    } finally {
      clearTimeout(silent);
      // A reader that has left is gone for the server too.
      silence.abort();
    }
  }

  /** Tells Usher how far the feed has been applied here, for those who want to see how far a ban has got. */
  async report(applied: number): Promise<void> {
    const response = await fetch(`${this.#base}/api/v1/feed/position`, {
      method: "PUT",
      headers: { authorization: this.#authorization, "content-type": "application/json" },
      body: JSON.stringify({ applied }),
      signal: AbortSignal.any([this.stopped, AbortSignal.timeout(REPORT_MILLISECONDS)]),
      redirect: "error",
    });
    await response.body?.cancel();
    if (response.status !== 204) throw new Error(`the position was answered with ${response.status}`);
  }
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
