/** What a caller is told: problem documents (RFC 9457) that never say why a token was refused. */

import type { Claims, Requirements } from "./claims.js";
import { Forbidden, Refused } from "./refused.js";
import type { Verifier } from "./verifier.js";

/** One refusal. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function answer(status: number, code: string, title: string, detail: string, header: [string, string]): Answer {
  return {
    status,
    // No cache may give it to somebody else.
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", [header[0]]: header[1] },
    body: JSON.stringify({ type: "about:blank", title, status, detail, code }),
  };
}

const challenge = (error: string): [string, string] => ["www-authenticate", `Bearer error="${error}"`];

const NO_TOKEN = answer(401, "unauthenticated", "Unauthorized", "An access token is needed.", [
  "www-authenticate",
  "Bearer",
]);
const BAD_TOKEN = answer(
  401,
  "unauthenticated",
  "Unauthorized",
  "The access token is not accepted.",
  challenge("invalid_token"),
);
const FORBIDDEN = answer(
  403,
  "forbidden",
  "Forbidden",
  "The access token lacks a role or a scope.",
  challenge("insufficient_scope"),
);
const NOT_READY = answer(503, "not_ready", "Service Unavailable", "Access tokens cannot be checked at the moment.", [
  "retry-after",
  "5",
]);
const STALE = answer(
  503,
  "revocations_stale",
  "Service Unavailable",
  "Access tokens cannot be checked at the moment.",
  ["retry-after", "5"],
);

/** A request without a token. It is answered like a refused one, but the challenge names no error. */
class NoToken extends Error {}

/** What the caller is told about a refusal, or nothing for an error that is none. */
export function answerFor(error: unknown): Answer | undefined {
  if (error instanceof NoToken) return NO_TOKEN;
  if (error instanceof Forbidden) return FORBIDDEN;
  if (!(error instanceof Refused)) return undefined;
  if (error.reason === "not_ready") return NOT_READY;
  return error.reason === "stale" ? STALE : BAD_TOKEN;
}

/** Who asks. Throws what {@link answerFor} knows. */
export async function authenticate(
  verifier: Verifier,
  authorization: readonly string[],
  requirements: Requirements,
): Promise<Claims> {
  return await verifier.check(bearerToken(authorization), requirements);
}

/**
 * The token of the `Authorization` headers. A malformed one is given as it stands, so that it is refused as a bad
 * token. So are two headers: two readers could each take another one.
 */
function bearerToken(authorization: readonly string[]): string {
  if (authorization.length > 1) return "";
  const found = /^[ \t]*([^ ]*)(?: +(.*))?$/s.exec(authorization[0] ?? "");
  if (found?.[1]?.toLowerCase() !== "bearer") throw new NoToken();
  return (found[2] ?? "").trimEnd();
}
