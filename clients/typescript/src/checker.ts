/** The check of a token, from its text to its claims. It asks nobody. */

import { createHash } from "node:crypto";

import { type Claims, type ReadClaims, readClaims, readHeader } from "./claims.js";
import { type Key, readKeys } from "./keys.js";
import { Freshness } from "./freshness.js";
import { Refused } from "./refused.js";
import { type Clocks, Revocations } from "./revocations.js";
import type { CompleteSettings } from "./settings.js";
import { decode, NotStrict } from "./strict.js";

const LONGEST_TOKEN = 8 * 1024;

/** A token whose signature and claims are right. What changes with time is not settled here. */
interface Checked extends ReadClaims {
  readonly key: Key;
}

/** Checks access tokens of one issuer for one audience. */
export class Checker {
  readonly revocations: Revocations;
  readonly freshness: Freshness;
  #keys = new Map<string, Key>();
  /**
   * Tokens that passed every check, the ones used last at the end, by the SHA-256 of the whole token. Issuer and
   * audience have no part in the name, because they never change here.
   */
  readonly #checked = new Map<string, Checked>();
  /** The exact epoch of claims that were given out, for questions about them later. */
  readonly #epochs = new WeakMap<Claims, bigint>();

  constructor(
    private readonly settings: CompleteSettings,
    clocks: Clocks,
  ) {
    this.revocations = new Revocations(settings.leeway, settings.mostRevocations, clocks);
    this.freshness = new Freshness(settings.feedToken !== undefined, settings.refuseAfter, clocks.steady);
  }

  /** The ids of the keys in use. */
  get keyIds(): string[] {
    return [...this.#keys.keys()];
  }

  /** How many checked tokens are remembered now. */
  get knownTokens(): number {
    return this.#checked.size;
  }

  /**
   * Replaces the keys by those of a JWKS document. A document with an error in it changes nothing. A key that stays
   * keeps its object, so tokens checked with it stay checked; every other one is marked as withdrawn, which ends them.
   */
  async setKeys(document: Uint8Array): Promise<void> {
    const keys = await readKeys(document);
    const before = this.#keys;
    for (const [keyId, old] of before) {
      if (keys.get(keyId)?.isSame(old)) keys.set(keyId, old);
      else old.withdrawn = true;
    }
    this.#keys = keys;
  }

  /** Checks an access token. `known` says whether it was known already. Throws {@link Refused}. */
  async check(token: string, now: () => number): Promise<{ claims: Claims; known: boolean }> {
    if (token.length > LONGEST_TOKEN || Buffer.byteLength(token) > LONGEST_TOKEN) throw new Refused("malformed");
    const fingerprint = createHash("sha256").update(token).digest("base64");
    const known = this.#checked.get(fingerprint);
    // A withdrawn key may have come back, so its token is not refused here but checked anew.
    if (known !== undefined && !known.key.withdrawn) {
      this.#requireGoodNow(known, now());
      this.#remember(fingerprint, known);
      return { claims: known.claims, known: true };
    }
    const checked = await this.#checkInFull(token);
    this.#requireGoodNow(checked, now());
    this.#epochs.set(checked.claims, checked.epoch);
    this.#remember(fingerprint, checked);
    return { claims: checked.claims, known: false };
  }

  /** Asks about claims of an earlier check whatever can have changed since. Throws {@link Refused}. */
  requireStillGood(claims: Claims, now: number): void {
    if (!this.#isKeyGood(claims)) throw new Refused("unknown_key");
    this.#requireLiving(claims, now);
    this.#requireTrusted(claims, this.#epoch(claims));
  }

  /** Whether the user, the session or the key behind these claims was ended. */
  isRevoked(claims: Claims): boolean {
    return !this.#isKeyGood(claims) || !this.revocations.isGood(claims, this.#epoch(claims));
  }

  #isKeyGood({ kid }: Claims): boolean {
    return this.#keys.has(kid) && this.revocations.isKeyGood(kid);
  }

  #epoch(claims: Claims): bigint {
    return this.#epochs.get(claims) ?? BigInt(claims.epoch);
  }

  #remember(fingerprint: string, checked: Checked): void {
    this.#checked.delete(fingerprint);
    this.#checked.set(fingerprint, checked);
    for (const oldest of this.#checked.keys()) {
      if (this.#checked.size <= this.settings.cacheCapacity) break;
      this.#checked.delete(oldest);
    }
  }

  /**
   * Everything about a token that never changes. The payload is not even decoded before the signature is verified, so
   * a stranger's JSON goes no further than the header.
   */
  async #checkInFull(token: string): Promise<Checked> {
    const [encodedHeader, payload, signature, ...more] = token.split(".", 4);
    if (encodedHeader === undefined || payload === undefined || signature === undefined || more.length > 0) {
      throw new Refused("malformed");
    }
    const header = readHeader(encodedHeader);
    if (this.#keys.size === 0) throw new Refused("not_ready");
    const key = this.#keys.get(header.keyId);
    if (key === undefined || !this.revocations.isKeyGood(header.keyId)) throw new Refused("unknown_key");
    try {
      decode(signature);
    } catch (error) {
      if (error instanceof NotStrict) throw new Refused("malformed");
      throw error;
    }
    await key.verify(token, header.algorithm);
    return { ...readClaims(payload, header.keyId), key };
  }

  /**
   * Everything that decides whether a token is good here and now. Known tokens and new ones both come through here, and
   * nothing of it is remembered.
   */
  #requireGoodNow({ claims, notBefore, epoch, key }: Checked, now: number): void {
    if (key.withdrawn || !this.revocations.isKeyGood(claims.kid)) throw new Refused("unknown_key");
    this.#requireLiving(claims, now);
    if (notBefore > now + this.settings.leeway) throw new Refused("not_yet_valid");
    this.#requireTrusted(claims, epoch);
  }

  /** It is ours and has not expired. */
  #requireLiving(claims: Claims, now: number): void {
    if (claims.iss !== this.settings.issuer) throw new Refused("wrong_issuer");
    if (claims.aud !== this.settings.audience) throw new Refused("wrong_audience");
    if (now >= claims.exp + this.settings.leeway) throw new Refused("expired");
  }

  /** Nobody has ended it. */
  #requireTrusted(claims: Claims, epoch: bigint): void {
    if (!this.revocations.isGood(claims, epoch)) throw new Refused("revoked");
    // Last, so that it only ever stands for a yes that cannot be given: a bad token stays bad.
    this.freshness.require();
  }
}
