// A small service behind Usher, for the tests of the whole system. It needs `npm ci` and `npm run build` before.
// Environment: USHER_ISSUER, USHER_URL, USHER_FEED_TOKEN, PORT. It listens on 127.0.0.1.

import { createServer } from "node:http";

import { usher, Verifier } from "../dist/index.js";

const { USHER_ISSUER, USHER_URL, USHER_FEED_TOKEN, PORT } = process.env;
const settings = { issuer: USHER_ISSUER, url: USHER_URL, feedToken: USHER_FEED_TOKEN };
const verifier = new Verifier(settings, { log: console });
const requireUser = usher(verifier);

function json(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

const routes = {
  "/whoami": (request, response) =>
    requireUser(request, response, (error) => {
      if (error !== undefined) return json(response, { error: "internal" }, 500);
      const { sub, roles } = request.usher;
      return json(response, { service: "node", user: sub, roles });
    }),
  "/health": (_request, response) => json(response, { status: "ok" }),
  "/verify-state": (_request, response) => {
    const { position, staleness, isCurrent, isReady } = verifier;
    json(response, { position, staleness: staleness ?? null, current: isCurrent, ready: isReady });
  },
};

await verifier.start();
createServer((request, response) => {
  const path = new URL(request.url, "http://127.0.0.1").pathname;
  const handle = request.method === "GET" && Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (handle === undefined) json(response, { error: "not found" }, 404);
  else handle(request, response);
}).listen(Number(PORT), "127.0.0.1");
