/** Why a token is refused. */

/** For the operator alone: it tells a forger how far a forgery got. The codes never change. */
export const REASONS = [
  "malformed",
  "unknown_key",
  "bad_signature",
  "wrong_type",
  "wrong_issuer",
  "wrong_audience",
  "expired",
  "not_yet_valid",
  "missing_claim",
  "revoked",
  /** The token may be good, but what was revoked lately is not known, and the staleness policy says to refuse. */
  "stale",
  /** There are no keys yet, or the feed has not yet said what is revoked. */
  "not_ready",
] as const;

/** One of {@link REASONS}. */
export type Reason = (typeof REASONS)[number];

/** A token was refused. Log the reason, and tell the caller only that it was. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(readonly reason: Reason) {
    super(reason);
  }
}

/** The token is good, but it lacks a role or a scope. */
export class Forbidden extends Error {
  override readonly name = "Forbidden";
}
