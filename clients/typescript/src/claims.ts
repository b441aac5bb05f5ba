/** The claims of an access token, and what its header may say. */

import { Refused } from "./refused.js";
import { decode, type Json, type JsonObject, NotStrict, parseObject } from "./strict.js";

/**
 * What the issuer says about the caller (RFC 9068 §2.2). Times are seconds since 1970. The pair of `iss` and `sub` is
 * who the caller is; nothing else in a token is.
 */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly sid: string;
  /** The user's epoch when the token was made. A revocation names the lowest one still good. */
  readonly epoch: number;
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  /** When the user last proved who they are. */
  readonly auth_time: number;
  /** How they proved it (RFC 8176). Empty when the token does not say, which proves nothing. */
  readonly amr: readonly string[];
  readonly roles: readonly string[];
  /** What the token allows, words with spaces between. */
  readonly scope: string;
  /**
   * Which key signed the token. It is from the header and no claim, and it is kept because whoever holds a connection
   * open has to notice when the key is withdrawn.
   */
  readonly kid: string;
}

/** The claims, and what is decided with them before a number becomes a double. */
export interface ReadClaims {
  readonly claims: Claims;
  readonly epoch: bigint;
  /** When the token begins to be valid: the later one of `iat` and `nbf`. */
  readonly notBefore: number;
}

/** What a request needs: any of the roles (if there are any) and all of the scopes. */
export interface Requirements {
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
}

/** Which key signed, as the header says. Nothing else in it is believed. */
export interface Header {
  readonly algorithm: string;
  readonly keyId: string;
}

/** Whether a token grants what a request needs. */
export function grants(claims: Claims, { roles = [], scopes = [] }: Requirements): boolean {
  const granted = new Set(claims.scope.split(" "));
  const anyRole = roles.length === 0 || roles.some((role) => claims.roles.includes(role));
  return anyRole && scopes.every((scope) => scope !== "" && granted.has(scope));
}

/**
 * We know no critical extension (RFC 7515 §4.1.11), and a reader that honoured `b64`, `zip` or `enc` would see another
 * payload than we do.
 */
const CHANGES_THE_READING = ["crit", "b64", "zip", "enc"];

/** RFC 9068 §4 with RFC 7515 §4.1.9. Without the flag `u` the Kelvin sign is no k. */
const ACCESS_TOKEN = /^(?:application\/)?at\+jwt$/i;

/**
 * Reads the first part of a token. Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are not
 * even looked at: whoever forges a token can also write those.
 */
export function readHeader(encoded: string): Header {
  const members = readObject(encoded);
  if (CHANGES_THE_READING.some((name) => members.has(name))) throw new Refused("malformed");
  const kind = members.get("typ");
  if (typeof kind !== "string" || !ACCESS_TOKEN.test(kind)) throw new Refused("wrong_type");
  return { algorithm: text(members.get("alg")), keyId: text(members.get("kid")) };
}

/**
 * Reads the second part of a token whose signature was verified with the key of this id. The first wrong claim decides
 * the reason.
 */
export function readClaims(encoded: string, kid: string): ReadClaims {
  const members = readObject(encoded);
  const iss = required(members, "iss", text);
  const sub = required(members, "sub", text);
  const aud = required(members, "aud", audience);
  const sid = required(members, "sid", text);
  const epoch = required(members, "epoch", integer);
  const client_id = required(members, "client_id", text);
  const iat = Number(required(members, "iat", integer));
  const exp = Number(required(members, "exp", integer));
  const jti = required(members, "jti", text);
  const auth_time = Number(required(members, "auth_time", integer));
  const amr = optional(members, "amr", texts, []);
  const roles = optional(members, "roles", texts, []);
  const scope = optional(members, "scope", anyText, "");
  const notBefore = Math.max(iat, Number(optional(members, "nbf", integer, 0n)));
  const who = { iss, sub, aud, sid, epoch: Number(epoch), client_id, iat, exp, jti, auth_time };
  return { claims: Object.freeze({ ...who, amr, roles, scope, kid }), epoch, notBefore };
}

function readObject(encoded: string): JsonObject {
  try {
    return parseObject(decode(encoded));
  } catch (error) {
    if (error instanceof NotStrict) throw new Refused("malformed");
    throw error;
  }
}

function required<Value>(members: JsonObject, name: string, read: (value: Json | undefined) => Value): Value {
  if (!members.has(name)) throw new Refused("missing_claim");
  return read(members.get(name));
}

function optional<Value>(
  members: JsonObject,
  name: string,
  read: (value: Json | undefined) => Value,
  missing: Value,
): Value {
  return members.has(name) ? read(members.get(name)) : missing;
}

function anyText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  throw new Refused("malformed");
}

/** Text that is not empty: an empty subject or session would be shared by everyone who has none. */
function text(value: Json | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Refused("malformed");
}

function integer(value: Json | undefined): bigint {
  if (typeof value === "bigint" && value >= 0n) return value;
  throw new Refused("malformed");
}

function texts(value: Json | undefined): readonly string[] {
  if (Array.isArray(value)) return Object.freeze(value.map(anyText));
  throw new Refused("malformed");
}

/**
 * A text or a list of one text. A token that is good at several services is not taken: any one of them could use it at
 * the others.
 */
function audience(value: Json | undefined): string {
  if (!Array.isArray(value)) return anyText(value);
  if (value.length !== 1) throw new Refused("wrong_audience");
  return anyText(value[0]);
}
