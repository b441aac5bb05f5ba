/**
 * Checks Usher's access tokens where they are used, and refuses revoked ones within a second.
 *
 * A {@link Verifier} holds the public keys of one issuer and what that issuer has revoked, so a check asks nobody. It
 * follows Usher's revocation feed beside the requests; when Usher is down, checks go on, and `staleness` says for how
 * long.
 *
 * `checker.ts` is the check itself, without network and clock; `stream.ts` reads the feed; `verifier.ts` keeps both
 * fresh; `express.ts` and `fetch.ts` are the faces for applications.
 */

export type { Claims, Requirements } from "./claims.js";
export { type Middleware, usher, type UsherRequest, userOf } from "./express.js";
export { protect, type ProtectedHandler } from "./fetch.js";
export { Forbidden, type Reason, REASONS, Refused } from "./refused.js";
export type { CompleteSettings, Settings } from "./settings.js";
export { type Log, type Options, Verifier } from "./verifier.js";
