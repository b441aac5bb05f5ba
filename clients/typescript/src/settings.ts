/** What a service says about itself and about Usher. */

/** The settings of a verifier; they are the same in every language. */
export interface Settings {
  /** Usher's public URL, compared letter by letter with `iss`. */
  readonly issuer: string;
  /** The service token of `usher verifier create`. Without one no revocation is heard of. */
  readonly feedToken?: string | undefined;
  /** This service's name in `aud`. The issuer when it is not given. */
  readonly audience?: string | undefined;
  /** Where Usher is reached from here. The issuer when it is not given. */
  readonly url?: string | undefined;
  /** How far clocks may be apart, in seconds. 60 when it is not given. */
  readonly leeway?: number | undefined;
  /** Seconds without news from the feed after which every good token is refused. Without it, checks go on. */
  readonly refuseAfter?: number | undefined;
  /** How many checked tokens are remembered, about 1 KiB each. 10 000 when it is not given. */
  readonly cacheCapacity?: number | undefined;
  /**
   * How many revoked users are remembered at most, and as many sessions. Beyond, all older tokens are refused. A
   * million when it is not given.
   */
  readonly mostRevocations?: number | undefined;
}

/** Settings in which nothing is left open. */
export interface CompleteSettings {
  readonly issuer: string;
  readonly feedToken: string | undefined;
  readonly audience: string;
  readonly baseUrl: string;
  readonly leeway: number;
  readonly refuseAfter: number | undefined;
  readonly cacheCapacity: number;
  readonly mostRevocations: number;
}

/** Fills in what is not given, and throws a `RangeError` or `TypeError` for what cannot work. */
export function complete(settings: Settings): CompleteSettings {
  const { issuer, leeway = 60, refuseAfter, cacheCapacity = 10_000, mostRevocations = 1_000_000 } = settings;
  const baseUrl = (settings.url || issuer).replace(/\/+$/, "");
  for (const address of [issuer, baseUrl]) {
    if (!/^https?:$/.test(new URL(address).protocol)) throw new TypeError(`${address} is no http or https URL`);
  }
  // Written so that NaN is refused too.
  if (!(leeway >= 0 && cacheCapacity >= 0 && mostRevocations >= 0)) {
    throw new RangeError("leeway, cacheCapacity and mostRevocations are not negative");
  }
  if (!(refuseAfter === undefined || refuseAfter > 0)) throw new RangeError("refuseAfter is above zero");
  const feedToken = settings.feedToken || undefined;
  if (refuseAfter !== undefined && feedToken === undefined) {
    throw new TypeError("refuseAfter needs a feedToken: without the feed every token would be refused");
  }
  const audience = settings.audience || issuer;
  return { issuer, feedToken, audience, baseUrl, leeway, refuseAfter, cacheCapacity, mostRevocations };
}
