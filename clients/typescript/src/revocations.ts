/** What the issuer has revoked and what could still be in somebody's hands. */

interface Entry {
  readonly epoch: bigint;
  readonly forgetAt: number;
}

/**
 * Which users' and sessions' tokens are dead although they have not expired.
 *
 * Whether a token is good is decided by its epoch and its session alone, never by comparing clocks, so a token made in
 * the same second as a ban has no way through. Time only says when an entry may be forgotten.
 */
export class Revocations {
  readonly #subjects = new Map<string, Entry>();
  readonly #sessions = new Map<string, number>();
  /**
   * Never forgotten: a key that was taken back stays dead for as long as a copy of the key set may bring it back, and
   * there are few.
   */
  readonly #keys = new Set<string>();

  /** Ends all trust in a user that is older than `belowEpoch`. The highest epoch and the latest time win. */
  endSubject(subject: string, belowEpoch: bigint, forgetAt: number): void {
    const before = this.#subjects.get(subject);
    const epoch = before !== undefined && before.epoch > belowEpoch ? before.epoch : belowEpoch;
    this.#subjects.set(subject, { epoch, forgetAt: Math.max(forgetAt, before?.forgetAt ?? forgetAt) });
  }

  /** Ends one session. */
  endSession(session: string, forgetAt: number): void {
    this.#sessions.set(session, Math.max(forgetAt, this.#sessions.get(session) ?? forgetAt));
  }

  /** Ends everything that the key of this `kid` signed, for good. */
  endKey(keyId: string): void {
    this.#keys.add(keyId);
  }

  /** Whether this key was not taken back. */
  isKeyGood(keyId: string): boolean {
    return !this.#keys.has(keyId);
  }

  /** Whether neither the user's trust nor this session was ended. */
  isGood(subject: string, session: string, epoch: bigint): boolean {
    const entry = this.#subjects.get(subject);
    return !this.#sessions.has(session) && (entry === undefined || epoch >= entry.epoch);
  }

  /** Forgets entries whose time has passed: every token that they could refuse has expired by itself. */
  sweep(now: number): void {
    for (const [subject, entry] of this.#subjects) if (entry.forgetAt <= now) this.#subjects.delete(subject);
    for (const [session, forgetAt] of this.#sessions) if (forgetAt <= now) this.#sessions.delete(session);
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
    return [...this.#keys].sort();
  }

  /** How many users, sessions and keys are remembered. */
  get size(): number {
    return this.#subjects.size + this.#sessions.size + this.#keys.size;
  }
}
