/** The verifier: a checker, and the loops that keep its keys and its revocations fresh. */

import { Checker } from "./checker.js";
import { type Claims, grants, type Requirements } from "./claims.js";
import { Backoff, Connection, type FeedPatience } from "./connection.js";
import { Counters } from "./metrics.js";
import { Forbidden, Refused } from "./refused.js";
import { complete, type CompleteSettings, type Settings } from "./settings.js";
import { Feed, NeedSnapshot } from "./stream.js";

const KEYS_EVERY = 300_000;
const UNKNOWN_KEY_EVERY = 60_000;
const REPORT_EVERY = 5_000;
const SWEEP_EVERY = 60_000;
const FEED_SILENCE = 15_000;
const FEED_EVENT = 30_000;
const LASTING_CONNECTION = 5_000;
const START_WAITS = 5_000;

/** What a verifier says about its work. `console` will do. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/** What else a verifier may be given. */
export interface Options {
  /** Where it says what it does; nowhere when it is not given. */
  readonly log?: Log;
  /** The time in milliseconds since 1970. */
  readonly clock?: () => number;
  /** Milliseconds that never jump. */
  readonly steadyClock?: () => number;
  /** How often the position is reported at most, in milliseconds. */
  readonly reportEvery?: number;
  /** After how many milliseconds of silence a connection to the feed is dead. The feed says something every 5 s. */
  readonly feedSilence?: number;
  /** After how many milliseconds without a whole event it is left, whatever bytes came. */
  readonly feedEvent?: number;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined };

/** Checks access tokens with what is in memory, and follows Usher to keep that fresh. */
export class Verifier {
  readonly settings: CompleteSettings;
  readonly #checker: Checker;
  readonly #feed: Feed;
  readonly #counters = new Counters();
  readonly #log: Log;
  readonly #clock: () => number;
  readonly #steady: () => number;
  readonly #reportEvery: number;
  readonly #patience: FeedPatience;
  #reported: number | undefined;
  #unknownKeyAt = -Infinity;
  #keysWanted = false;
  #stop: AbortController | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  readonly #wake = new Signal();
  readonly #fetched = new Signal();
  readonly #heard = new Signal();

  constructor(settings: Settings, options: Options = {}) {
    this.settings = complete(settings);
    this.#log = options.log ?? SILENT;
    this.#clock = options.clock ?? Date.now;
    this.#steady = options.steadyClock ?? (() => performance.now());
    this.#reportEvery = options.reportEvery ?? REPORT_EVERY;
    this.#patience = { silence: options.feedSilence ?? FEED_SILENCE, event: options.feedEvent ?? FEED_EVENT };
    const clocks = { now: () => this.#clock() / 1000, steady: () => this.#steady() / 1000 };
    this.#checker = new Checker(this.settings, clocks);
    this.#feed = new Feed(this.#checker.revocations, () => this.#wantKeys(), () => this.#hear());
  }

  /**
   * Checks a token with what is in memory, in microseconds. Needs any of the roles (if there are any) and all of the
   * scopes. Throws {@link Refused} or {@link Forbidden}.
   *
   * Only a token of a key that was published just now waits for that key. Usher is asked at most once in 60 s, and
   * only the one token that made it ask waits.
   */
  async check(token: string, requirements: Requirements = {}): Promise<Claims> {
    try {
      try {
        return await this.#attempt(token, requirements);
      } catch (error) {
        if (!(error instanceof Refused && error.reason === "unknown_key" && this.#mayAskForUnknownKey())) throw error;
      }
      const fetched = this.#fetched.wait();
      this.#wantKeys();
      await fetched;
      return await this.#attempt(token, requirements);
    } catch (error) {
      if (error instanceof Refused) this.#counters.count("refused", error.reason);
      throw error;
    }
  }

  /**
   * Whether claims from an earlier check are still good, for whoever keeps a connection open. Ask every second or so,
   * and end the connection at the first no. It is no when the token has expired (and the leeway after it has passed),
   * when its key was withdrawn, when its user or session was ended, and when the policy for a feed that cannot be heard
   * would refuse the token now.
   *
   * A connection cannot outlive the token that opened it: what was revoked is forgotten when no token can be refused by
   * it any more, so nobody would know later.
   */
  isStillGood(claims: Claims): boolean {
    try {
      this.#checker.requireStillGood(claims, this.#clock() / 1000);
      return true;
    } catch (error) {
      if (error instanceof Refused) return false;
      throw error;
    }
  }

  /**
   * Whether the user, the session or the key behind claims from an earlier check was ended since. It does not know the
   * time: what was revoked is forgotten when all tokens of then have expired. For connections that live long,
   * {@link isStillGood} is the question.
   */
  isRevoked(claims: Claims): boolean {
    return this.#checker.isRevoked(claims);
  }

  /** The number of the last ledger entry that is known here, 0 before the first. */
  get position(): number {
    return this.#feed.position ?? 0;
  }

  /**
   * Seconds since the feed last said something whole while everything before it was known; undefined before the first
   * time. A feed that talks without ever becoming current does not count as heard.
   */
  get staleness(): number | undefined {
    return this.#checker.freshness.seconds;
  }

  /** Whether everything up to `position` is known: not before the first snapshot, not after a gap. */
  get isCurrent(): boolean {
    return this.#feed.current;
  }

  /** Whether tokens can be checked: there are keys, and what is revoked was known once (if there is a feed). */
  get isReady(): boolean {
    return this.#hasKeys && this.#checker.freshness.isKnown;
  }

  /** All numbers by name. */
  metrics(): Record<string, number> {
    return this.#counters.asObject(this.#gauges());
  }

  /** All numbers as OpenMetrics text. */
  openmetrics(): string {
    return this.#counters.asOpenMetrics(this.#gauges());
  }

  /**
   * Starts to follow Usher, and waits a while for keys and for the first snapshot. It returns without them when Usher
   * is down, and goes on trying. Until it has both, every good token is refused with `not_ready`.
   */
  async start(waitMilliseconds = START_WAITS): Promise<void> {
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const connection = new Connection(this.settings, signal, this.#patience);
    const loops = [this.#run("keys", signal, () => this.#keepKeys(connection, signal)), this.#sweep(signal)];
    if (this.settings.feedToken === undefined) {
      this.#log.warn("usher: no feed token, so revoked tokens are accepted until they expire");
    } else {
      loops.push(this.#run("feed", signal, () => this.#follow(connection, signal)), this.#report(connection, signal));
    }
    this.#loops = Promise.all(loops);
    const ready = async (): Promise<void> => {
      while (!this.isReady && !signal.aborted) await Promise.race([this.#fetched.wait(), this.#heard.wait()]);
    };
    // This alone keeps the process alive: there may be no server yet that would.
    await pause(waitMilliseconds, signal, { until: ready(), keepAlive: true });
  }

  /** Ends all loops and connections. What is known stays, so checks still work. */
  async stop(): Promise<void> {
    this.#stop?.abort();
    this.#wake.set();
    this.#fetched.set();
    await this.#loops;
    this.#stop = undefined;
  }

  /** Runs a loop for ever. A mistake in it is logged and does not end it: it keeps the revocations coming. */
  async #run(name: string, signal: AbortSignal, loop: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await loop();
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn(`usher: following the ${name} failed and starts again: ${String(error)}`);
        await pause(1000, signal);
      }
    }
  }

  async #keepKeys(connection: Connection, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(250, 5000);
    let failed = false;
    while (!signal.aborted) {
      this.#keysWanted = false;
      // This is the one attempt of this minute, so an unknown key may not ask for another.
      if (failed && this.#hasKeys) this.#unknownKeyAt = this.#steady();
      failed = !(await this.#fetchKeys(connection));
      this.#fetched.set();
      // With keys there is no hurry, and a storm of unknown keys must not become a storm of fetches.
      const hurry = this.#hasKeys ? UNKNOWN_KEY_EVERY : backoff.next();
      if (!this.#keysWanted) await pause(failed ? hurry : KEYS_EVERY, signal, { until: this.#wake.wait() });
    }
  }

  async #fetchKeys(connection: Connection): Promise<boolean> {
    try {
      await this.#checker.setKeys(await connection.fetchKeys());
      this.#counters.count("key_fetches", "ok");
      return true;
    } catch (error) {
      this.#counters.count("key_fetches", "failed");
      this.#log.warn(`usher: the keys could not be fetched: ${String(error)}`);
      return false;
    }
  }

  async #follow(connection: Connection, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(100, 2000);
    while (!signal.aborted) {
      // In the middle of a snapshot there is no place to go on from.
      const resume = this.#feed.current ? this.#feed.lastEventId : undefined;
      this.#feed.connect(resume);
      const begun = this.#steady();
      try {
        const opened = (): void => this.#counters.count("feed_connections");
        await connection.feed(resume, opened, (chunk) => this.#feed.receive(chunk));
        this.#log.info(`usher: the feed ended, it is resumed after ${this.#feed.lastEventId}`);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof NeedSnapshot) this.#counters.count("feed_gaps");
        this.#log.warn(`usher: the feed is lost: ${String(error)}`);
      }
      this.#counters.count("feed_failures");
      // Only a connection that lasted takes the waiting back, so that a feed that always fails is left alone.
      if (this.#steady() - begun >= LASTING_CONNECTION) backoff.reset();
      await pause(backoff.next(), signal);
    }
  }

  get #hasKeys(): boolean {
    return this.#checker.keyIds.length > 0;
  }

  #hear(): void {
    this.#checker.freshness.heard();
    this.#heard.set();
  }

  async #report(connection: Connection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#reportEvery, signal);
      const applied = this.#feed.lastEventId;
      if (signal.aborted || !this.#feed.current || applied === undefined || applied === this.#reported) continue;
      try {
        await connection.report(applied);
        this.#reported = applied;
      } catch (error) {
        this.#log.info(`usher: the position could not be reported: ${String(error)}`);
      }
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(SWEEP_EVERY, signal);
      this.#checker.revocations.sweep();
    }
  }

  async #attempt(token: string, requirements: Requirements): Promise<Claims> {
    const { claims, known } = await this.#checker.check(token, () => this.#clock() / 1000);
    this.#counters.count("checks", known ? "known" : "new");
    if (grants(claims, requirements)) return claims;
    this.#counters.count("forbidden");
    throw new Forbidden();
  }

  #mayAskForUnknownKey(): boolean {
    const now = this.#steady();
    if (this.#stop === undefined || now - this.#unknownKeyAt < UNKNOWN_KEY_EVERY) return false;
    this.#unknownKeyAt = now;
    return true;
  }

  #wantKeys(): void {
    this.#keysWanted = true;
    this.#wake.set();
  }

  #gauges(): Record<string, number> {
    const { staleness } = this;
    return {
      ready: Number(this.isReady),
      // As long as nothing was heard there is no such number, and any would be a wrong one.
      ...(staleness === undefined ? {} : { staleness_seconds: Math.round(staleness * 1000) / 1000 }),
      position: this.position,
      current: Number(this.isCurrent),
      revocations: this.#checker.revocations.size,
      revocations_widened: Number(this.#checker.revocations.isWidened),
      keys: this.#checker.keyIds.length,
      known_tokens: this.#checker.knownTokens,
    };
  }
}

/** Wakes everybody who waits at that moment. */
class Signal {
  #waiting: Array<() => void> = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  set(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

interface PauseOptions {
  /** What ends the pause early, beside the signal. */
  readonly until?: Promise<void>;
  readonly keepAlive?: boolean;
}

/** Waits. A service that has nothing else to do may end meanwhile, unless it is told to stay. */
async function pause(milliseconds: number, signal: AbortSignal, options: PauseOptions = {}): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (!options.keepAlive) timer.unref();
    signal.addEventListener("abort", end);
    void options.until?.then(end);
  });
}
