/** The middleware for Express, Connect, and whatever else calls `(request, response, next)`. */

import type { IncomingMessage, ServerResponse } from "node:http";

import { answerFor, authenticate } from "./answers.js";
import type { Claims, Requirements } from "./claims.js";
import type { Verifier } from "./verifier.js";

/** A request that was let in. */
export interface UsherRequest extends IncomingMessage {
  /** Who asks. */
  usher: Claims;
}

/** What Express calls. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Lets requests through that bring a good access token with any of the roles (if there are any) and all of the scopes.
 * The claims are then in `request.usher`.
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
