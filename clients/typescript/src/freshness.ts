/** How long ago the issuer was heard, and what follows from that. */

import { Refused } from "./refused.js";

/**
 * When a feed was heard last while everything that it had said was known. Bytes of a feed that never becomes current
 * count for nothing: they say that somebody is there, and not that no revocation is missing. Without a feed nothing is
 * expected, and nothing is ever too old.
 */
export class Freshness {
  #heardAt: number | undefined;

  constructor(
    private readonly isFollowed: boolean,
    private readonly refuseAfter: number | undefined,
    /** Seconds that never jump. */
    private readonly steady: () => number,
  ) {}

  /** Notes that the issuer was heard now, and that everything it said is applied. */
  heard(): void {
    this.#heardAt = this.steady();
  }

  /** Whether everything was known once. */
  get isKnown(): boolean {
    return !this.isFollowed || this.#heardAt !== undefined;
  }

  /** Seconds since the issuer was heard, or undefined before the first time. */
  get seconds(): number | undefined {
    return this.#heardAt === undefined ? undefined : Math.max(0, this.steady() - this.#heardAt);
  }

  /** Throws {@link Refused} when too little is known to call a token good. */
  require(): void {
    if (!this.isKnown) throw new Refused("not_ready");
    if (this.refuseAfter !== undefined && (this.seconds ?? 0) > this.refuseAfter) throw new Refused("stale");
  }
}
