/** The check of a token, from its text to its claims. It asks nobody and reads no clock. */

import { createHash } from "node:crypto";

import { type Claims, type ReadClaims, readClaims, readHeader } from "./claims.js";
import { type Key, readKeys } from "./keys.js";
import { Refused } from "./refused.js";
import { Revocations } from "./revocations.js";
import { decode, NotStrict } from "./strict.js";

const LONGEST_TOKEN = 8 * 1024;

/** A token whose signature and claims are right. What changes with time is not settled here. */
interface Checked extends ReadClaims {
  readonly key: Key;
  readonly keyId: string;
}

/** Whose tokens are accepted, and for whom. */
export interface CheckerSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly leeway: number;
  readonly cacheCapacity: number;
}

/** Checks access tokens of one issuer for one audience. */
export class Checker {
  readonly revocations = new Revocations();
  #keys = new Map<string, Key>();
  /**
   * Tokens that passed every check, the ones used last at the end, by the SHA-256 of the whole token. Issuer and
   * audience have no part in the name, because they never change here.
   */
  readonly #checked = new Map<string, Checked>();
  /** The exact epoch of claims that were given out, for questions about them later. */
  readonly #epochs = new WeakMap<Claims, bigint>();

  constructor(private readonly settings: CheckerSettings) {}

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

  /** Whether claims from an earlier check have been revoked since. */
  isRevoked(claims: Claims): boolean {
    const epoch = this.#epochs.get(claims) ?? BigInt(claims.epoch);
    return !this.revocations.isGood(claims.sub, claims.sid, epoch);
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
    const key = this.#keys.get(header.keyId);
    if (key === undefined) throw new Refused("unknown_key");
    try {
      decode(signature);
    } catch (error) {
      if (error instanceof NotStrict) throw new Refused("malformed");
      throw error;
    }
    await key.verify(token, header.algorithm);
    const read = readClaims(payload);
    if (read.claims.iss !== this.settings.issuer) throw new Refused("wrong_issuer");
    if (read.claims.aud !== this.settings.audience) throw new Refused("wrong_audience");
    return { ...read, key, keyId: header.keyId };
  }

  /** Everything about a token that can change while it lives. Known tokens and new ones both come through here. */
  #requireGoodNow(checked: Checked, now: number): void {
    const { claims, notBefore, epoch, key, keyId } = checked;
    if (key.withdrawn || !this.revocations.isKeyGood(keyId)) throw new Refused("unknown_key");
    if (now >= claims.exp + this.settings.leeway) throw new Refused("expired");
    if (notBefore > now + this.settings.leeway) throw new Refused("not_yet_valid");
    if (!this.revocations.isGood(claims.sub, claims.sid, epoch)) throw new Refused("revoked");
  }
}
