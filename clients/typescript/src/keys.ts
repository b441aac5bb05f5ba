/** The issuer's public keys, as its JWKS publishes them (RFC 7517, RFC 8037). */

import { compactVerify, type CryptoKey, errors, importJWK, type JWK } from "jose";

import { Refused } from "./refused.js";
import { decode, type Json, type JsonObject, NotStrict, parseObject } from "./strict.js";

/** A longer document is refused. */
export const LONGEST_DOCUMENT = 64 * 1024;

/** RFC 7518 §6.2.2, §6.3.2 and §6.4.1, RFC 8037 §2. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * Why a JWKS document was not taken. The keys from before stay in use. After `private_key` nothing that these keys
 * sign can be trusted any more.
 */
export type KeysProblem = "too_long" | "malformed" | "private_key" | "repeated_id" | "invalid_key" | "empty";

/** A JWKS document was refused as a whole. */
export class KeysRefused extends Error {
  override readonly name = "KeysRefused";

  constructor(readonly problem: KeysProblem) {
    super(problem);
  }
}

/** One public key. The algorithm is the key's: what a token's header says can only disagree. */
export class Key {
  /** Whether a later key set came without this key. */
  withdrawn = false;

  private constructor(
    readonly algorithm: string,
    private readonly members: JWK,
    private readonly key: CryptoKey | Uint8Array,
  ) {}

  static async make(algorithm: string, members: JWK): Promise<Key> {
    try {
      return new Key(algorithm, members, await importJWK(members, algorithm));
    } catch {
      throw new KeysRefused("invalid_key");
    }
  }

  /** Verifies a token whose header was read already. Throws {@link Refused}. */
  async verify(token: string, algorithm: string): Promise<void> {
    // What is not ASCII was never signed by anybody, and jose would not say that it is the signature that is wrong.
    if (algorithm !== this.algorithm || /[^\x00-\x7f]/.test(token)) throw new Refused("bad_signature");
    try {
      await compactVerify(token, this.key, { algorithms: [this.algorithm] });
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) throw new Refused("bad_signature");
      throw new Refused("malformed");
    }
  }

  /** Whether both are one key. */
  isSame(other: Key): boolean {
    return this.algorithm === other.algorithm && JSON.stringify(this.members) === JSON.stringify(other.members);
  }
}

/** Reads a JWKS document. An error anywhere in it refuses all of it. */
export async function readKeys(document: Uint8Array): Promise<Map<string, Key>> {
  if (document.length > LONGEST_DOCUMENT) throw new KeysRefused("too_long");
  const listed = strictly(() => parseObject(document)).get("keys");
  if (!Array.isArray(listed)) throw new KeysRefused("malformed");
  const keys = new Map<string, Key>();
  for (const members of listed) {
    if (!(members instanceof Map)) throw new KeysRefused("malformed");
    const found = readKey(members);
    if (found === undefined) continue;
    const key = await Key.make(found.algorithm, found.members);
    if (keys.has(found.keyId)) throw new KeysRefused("repeated_id");
    keys.set(found.keyId, key);
  }
  if (keys.size === 0) throw new KeysRefused("empty");
  return keys;
}

interface FoundKey {
  readonly keyId: string;
  readonly algorithm: string;
  readonly members: JWK;
}

/**
 * One key, or nothing for one that serves another purpose or an algorithm that we do not use: such keys may stand in
 * the set (RFC 7517 §5), their tokens are refused.
 */
function readKey(members: JsonObject): FoundKey | undefined {
  if (PRIVATE_MEMBERS.some((name) => members.has(name))) throw new KeysRefused("private_key");
  const purpose = members.has("use") ? text(members, "use") : "sig";
  const operations = members.get("key_ops") ?? ["verify"];
  if (!Array.isArray(operations) || !operations.every((operation) => typeof operation === "string")) {
    throw new KeysRefused("malformed");
  }
  if (purpose !== "sig" || !operations.includes("verify")) return undefined;
  const keyId = text(members, "kid");
  const kty = text(members, "kty");
  const algorithm = text(members, "alg");
  switch (algorithm) {
    case "EdDSA":
    case "Ed25519": {
      require(kty === "OKP" && text(members, "crv") === "Ed25519");
      return { keyId, algorithm, members: { kty, crv: "Ed25519", x: coordinate(members, "x") } };
    }
    case "ES256": {
      require(kty === "EC" && text(members, "crv") === "P-256");
      const [x, y] = [coordinate(members, "x"), coordinate(members, "y")];
      return { keyId, algorithm, members: { kty, crv: "P-256", x, y } };
    }
    case "RS256": {
      require(kty === "RSA");
      requireRsa(number(members, "n"), number(members, "e"));
      return { keyId, algorithm, members: { kty, n: text(members, "n"), e: text(members, "e") } };
    }
    default:
      return undefined;
  }
}

/**
 * At least 2048 bits, and an odd exponent above 65536 (NIST SP 800-56B §6.2). With an exponent of 1 every text signs
 * itself. A leading zero would make a short number look long.
 */
function requireRsa(modulus: Uint8Array, exponent: Uint8Array): void {
  const lowestFirst = modulus.length === 256 ? 0x80 : 1;
  require(modulus.length >= 256 && modulus.length <= 1024 && (modulus[0] ?? 0) >= lowestFirst);
  require(exponent.length >= 3 && exponent.length <= 4 && exponent[0] !== 0 && (exponent.at(-1) ?? 0) % 2 === 1);
}

function text(members: JsonObject, name: string): string {
  const value: Json | undefined = members.get(name);
  if (typeof value === "string" && value !== "") return value;
  throw new KeysRefused("malformed");
}

function number(members: JsonObject, name: string): Uint8Array {
  return strictly(() => decode(text(members, name)));
}

function coordinate(members: JsonObject, name: string): string {
  require(number(members, name).length === 32);
  return text(members, name);
}

function strictly<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotStrict) throw new KeysRefused("malformed");
    throw error;
  }
}

function require(holds: boolean): void {
  if (!holds) throw new KeysRefused("invalid_key");
}
