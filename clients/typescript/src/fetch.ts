/** The wrapper for handlers of the Fetch API: Hono, Next.js routes, `Deno.serve`-like servers on Node. */

import { answerFor, authenticate } from "./answers.js";
import type { Claims, Requirements } from "./claims.js";
import type { Verifier } from "./verifier.js";

/** A handler that is told who asks. */
export type ProtectedHandler<Rest extends unknown[]> = (
  request: Request,
  user: Claims,
  ...rest: Rest
) => Response | Promise<Response>;

/**
 * Makes a handler that is only called for requests with a good access token, with any of the roles (if there are any)
 * and all of the scopes. What the framework gives behind the request comes behind the user.
 */
export function protect<Rest extends unknown[]>(
  handler: ProtectedHandler<Rest>,
  verifier: Verifier,
  requirements: Requirements = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    let user: Claims;
    try {
      const authorization = request.headers.get("authorization");
      user = await authenticate(verifier, authorization === null ? [] : [authorization], requirements);
    } catch (error) {
      const answer = answerFor(error);
      if (answer === undefined) throw error;
      return new Response(answer.body, { status: answer.status, headers: { ...answer.headers } });
    }
    return await handler(request, user, ...rest);
  };
}
