/** What the issuer has revoked and what could still be in somebody's hands. */

interface Entry {
  readonly epoch: bigint;
  readonly forgetAt: number;
}

/** The time, in seconds. */
export interface Clocks {
  /** Since 1970. */
  readonly now: () => number;
  /** Without jumps. */
  readonly steady: () => number;
}

/**
 * As long as no more are remembered, no key that was taken back is ever forgotten. Usher takes keys back by hand, so
 * more of them than this say that something else is wrong.
 */
export const MOST_KEYS = 1000;

/**
 * Which users' and sessions' tokens are dead although they have not expired.
 *
 * Whether a token is good is decided by its epoch and its session alone, never by comparing clocks, so a token made in
 * the same second as a ban has no way through. Time only says when an entry may be forgotten: twice the leeway after
 * the last token that it is about has expired, because a token is taken for that long after its `exp`, and the clock
 * that wrote its `exp` may have been ahead by as much.
 *
 * There are at most `most` users and as many sessions. To forget one for want of room would let a revoked token
 * through, and to stop all checks would let one storm close the whole service. So an entry without room is *widened*:
 * from then on every token that expires no later than the last one which the entry is about is refused, whoever's it
 * is. Tokens made a little later are good again, so people get through with their next refresh, and when all old tokens
 * have expired the widening is swept away like an entry.
 */
export class Revocations {
  readonly #subjects = new Map<string, Entry>();
  readonly #sessions = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  readonly #keepLonger: number;
  /** Tokens with an `exp` up to the first are refused, until the steady clock shows the second. */
  #widened = -Infinity;
  #forgetWidenedAt = -Infinity;

  constructor(
    leeway: number,
    private readonly most: number,
    private readonly clocks: Clocks,
  ) {
    this.#keepLonger = 2 * leeway;
  }

  /**
   * Ends all trust in a user that is older than `belowEpoch`. `seconds` is how long the longest token that was made
   * before now can live. Entries may come in any order and twice: the highest epoch and the latest time win.
   */
  endSubject(subject: string, belowEpoch: bigint, seconds: number): void {
    const before = this.#subjects.get(subject);
    if (before === undefined && this.#subjects.size >= this.most) return this.#widen(seconds);
    const epoch = before !== undefined && before.epoch > belowEpoch ? before.epoch : belowEpoch;
    this.#subjects.set(subject, { epoch, forgetAt: this.#later(before?.forgetAt, seconds) });
  }

  /** Ends one session. `seconds` as in {@link endSubject}. */
  endSession(session: string, seconds: number): void {
    const before = this.#sessions.get(session);
    if (before === undefined && this.#sessions.size >= this.most) return this.#widen(seconds);
    this.#sessions.set(session, this.#later(before, seconds));
  }

  /**
   * Ends everything that the key of this `kid` signed and will ever sign. `seconds` as in {@link endSubject}. It does
   * not come back with a key set that still names it. Only if more than a thousand keys were taken back, those whose
   * tokens have expired are forgotten.
   */
  endKey(keyId: string, seconds: number): void {
    this.#keys.set(keyId, this.#later(this.#keys.get(keyId), seconds));
  }

  /** Whether this key was not taken back. */
  isKeyGood(keyId: string): boolean {
    return !this.#keys.has(keyId);
  }

  /** Whether neither the user's trust nor the session behind such a token was ended. */
  isGood({ sub, sid, exp }: { sub: string; sid: string; exp: number }, epoch: bigint): boolean {
    const entry = this.#subjects.get(sub);
    return exp > this.#widened && !this.#sessions.has(sid) && (entry === undefined || epoch >= entry.epoch);
  }

  /** Forgets entries whose time has passed: every token that they could refuse has expired by itself. */
  sweep(): void {
    const now = this.clocks.steady();
    for (const [subject, entry] of this.#subjects) if (entry.forgetAt <= now) this.#subjects.delete(subject);
    for (const [session, forgetAt] of this.#sessions) if (forgetAt <= now) this.#sessions.delete(session);
    if (this.#keys.size > MOST_KEYS) {
      for (const [keyId, forgetAt] of this.#keys) if (forgetAt <= now) this.#keys.delete(keyId);
    }
    if (this.#forgetWidenedAt <= now) this.#widened = this.#forgetWidenedAt = -Infinity;
  }

  /** Whether there was no room for everything, so that more is refused than was revoked. */
  get isWidened(): boolean {
    return this.#widened > -Infinity;
  }

  /** The lowest good epoch of each user who is remembered. */
  get subjects(): Map<string, bigint> {
    return new Map([...this.#subjects].map(([subject, entry]) => [subject, entry.epoch]));
  }

  /** The ended sessions, sorted. */
  get sessions(): string[] {
    return [...this.#sessions.keys()].sort();
  }

  /** The withdrawn keys, sorted. */
  get keys(): string[] {
    return [...this.#keys.keys()].sort();
  }

  /** How many users, sessions and keys are remembered. */
  get size(): number {
    return this.#subjects.size + this.#sessions.size + this.#keys.size;
  }

  #later(before: number | undefined, seconds: number): number {
    return Math.max(before ?? -Infinity, this.clocks.steady() + seconds + this.#keepLonger);
  }

  #widen(seconds: number): void {
    this.#widened = Math.max(this.#widened, this.clocks.now() + seconds + this.#keepLonger);
    this.#forgetWidenedAt = this.#later(this.#forgetWidenedAt, seconds);
  }
}
