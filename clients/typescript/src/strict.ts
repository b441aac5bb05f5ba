/**
 * JSON and base64url as this package trusts them: one text means one thing, to every reader.
 *
 * Two readers that each pick another one of two equal members see two different tokens (RFC 8725 §2.4), and a lenient
 * number (`"exp": "9e99"`) has switched off expiry elsewhere (CVE-2026-25537). `JSON.parse` knows neither.
 */

/** The text is not of the one form that is accepted. */
export class NotStrict extends Error {}

/** Present, but never the right type: a fraction, a null, or an integer beyond 64 bits. */
export const OTHER = Symbol("other");

/** A value. Integers are exact, and members are a map, so that no name is special. */
export type Json = string | bigint | boolean | Json[] | JsonObject | typeof OTHER;
/** The members of an object. */
export type JsonObject = Map<string, Json>;

const DEEPEST = 127;
const LARGEST_INTEGER = 2n ** 63n - 1n;
const NUMBER = /-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([["true", true], ["false", false], ["null", OTHER]]);

/** Reads a whole document that has to be one object. */
export function parseObject(document: Uint8Array | string): JsonObject {
  const value = new Parser(typeof document === "string" ? document : utf8(document)).document();
  if (value instanceof Map) return value;
  throw new NotStrict("not an object");
}

/**
 * Decodes base64url without padding, in its one canonical form: stray last bits are refused, so that no two texts
 * stand for one signature.
 */
export function decode(encoded: string): Uint8Array {
  const decoded = Buffer.from(encoded, "base64url");
  // Node skips what it does not know; only the canonical text comes back the same.
  if (decoded.toString("base64url") !== encoded) throw new NotStrict("not canonical base64url");
  return decoded;
}

function utf8(document: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(document);
  } catch {
    throw new NotStrict("not UTF-8");
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json {
    const value = this.#value(0);
    this.#take(SPACE);
    if (this.#at !== this.#text.length) throw new NotStrict("more than one value");
    return value;
  }

  #value(depth: number): Json {
    this.#take(SPACE);
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (depth === DEEPEST) throw new NotStrict("too deep");
      this.#at += 1;
      return first === "{" ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (first === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const members: JsonObject = new Map();
    if (this.#ends("}")) return members;
    for (;;) {
      this.#take(SPACE);
      const name = this.#string();
      if (members.has(name)) throw new NotStrict("a member stands twice");
      if (!this.#ends(":")) throw new NotStrict("no colon");
      members.set(name, this.#value(depth));
      if (this.#ends("}")) return members;
      if (!this.#ends(",")) throw new NotStrict("no comma");
    }
  }

  #list(depth: number): Json[] {
    const items: Json[] = [];
    if (this.#ends("]")) return items;
    for (;;) {
      items.push(this.#value(depth));
      if (this.#ends("]")) return items;
      if (!this.#ends(",")) throw new NotStrict("no comma");
    }
  }

  #string(): string {
    const text = JSON.parse(this.#take(TEXT)) as string;
    // Half of a surrogate pair is no character, and it cannot be written out again.
    if (LONE_SURROGATE.test(text)) throw new NotStrict("half a character");
    return text;
  }

  #number(): Json {
    const text = this.#take(NUMBER);
    if (!Number.isFinite(Number(text))) throw new NotStrict("a number is beyond a double");
    if (/[.eE]/.test(text) || text === "-0") return OTHER;
    const integer = BigInt(text);
    return integer >= -LARGEST_INTEGER - 1n && integer <= LARGEST_INTEGER ? integer : OTHER;
  }

  /** Whether this sign comes next, behind white space. If so, it is taken. */
  #ends(sign: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) throw new NotStrict("not JSON");
    this.#at = pattern.lastIndex;
    return found[0];
  }
}
