/** The middleware for Express, Connect, and whatever else calls `(request, response, next)`. */

import type { IncomingMessage, ServerResponse } from "node:http";

import { answerFor, authenticate } from "./answers.js";
import type { Claims, Requirements } from "./claims.js";
import type { Verifier } from "./verifier.js";

declare global {
  // Express merges this into the type of its requests; without Express it is an empty name.
  namespace Express {
    interface Request {
      /** Who asks, behind the middleware of usher-verify. */
      usher?: Claims;
    }
  }
}

/** A request that was let in. */
export interface UsherRequest extends IncomingMessage {
  /** Who asks. */
  usher: Claims;
}

/** Who asks, in a handler behind the middleware. Throws where the middleware did not run, so it is never nobody. */
export function userOf(request: object): Claims {
  const claims = (request as Partial<UsherRequest>).usher;
  if (claims === undefined) throw new Error("this handler is not behind the middleware of usher-verify");
  return claims;
}

/** What Express calls. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Lets requests through that bring a good access token with any of the roles (if there are any) and all of the scopes.
 * The claims are then in `request.usher`, and {@link userOf} reads them.
 */
export function usher(verifier: Verifier, requirements: Requirements = {}): Middleware {
  return (request, response, next) => {
    // `headers.authorization` would hide that there are two.
    authenticate(verifier, request.headersDistinct["authorization"] ?? [], requirements).then(
      (claims) => {
        (request as UsherRequest).usher = claims;
        next();
      },
      (error: unknown) => {
        const answer = answerFor(error);
        if (answer === undefined) next(error);
        else response.writeHead(answer.status, { ...answer.headers }).end(answer.body);
      },
    );
  };
}
