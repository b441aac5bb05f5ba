// An Usher of which a test decides every byte: its key set, and what each connection to its feed gets.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { importJWK, SignJWT } from "jose";

const vector = (name) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8"));

export const FEED_TOKEN = "uvt_for-tests";
export const KEY_SET = vector("tokens.json").jwks;
export const [EDWARDS, ELLIPTIC, RSA] = vector("TEST-ONLY-keys.json").keys;
export const STRANGER = vector("TEST-ONLY-keys.json").strangers[0];

/** The public half of a key. */
export function publicJwk(jwk) {
  const { d, p, q, dp, dq, qi, ...rest } = jwk;
  return rest;
}

/** A server on 127.0.0.1. `scripts` are taken one for each connection to the feed; the last one stays. */
export class FakeUsher {
  keysStatus = 200;
  keysBody = JSON.stringify(KEY_SET);
  keysRequests = 0;
  feedRequests = [];
  reports = [];
  scripts = [stays(snapshot(1))];
  port = 0;
  #server;

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
    this.port = this.#server.address().port;
    return this;
  }

  /** As kill -9 would look from outside. */
  async die() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request, response) {
    response.on("error", () => undefined);
    if (request.url === "/.well-known/jwks.json") {
      this.keysRequests += 1;
      response.writeHead(this.keysStatus, { connection: "close" }).end(this.keysBody);
    } else if (request.headers.authorization !== `Bearer ${FEED_TOKEN}`) {
      response.writeHead(401).end();
    } else if (request.url === "/api/v1/feed/position") {
      let body = "";
      for await (const piece of request) body += piece;
      this.reports.push(JSON.parse(body));
      response.writeHead(204).end();
    } else {
      this.feedRequests.push(request.headers);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      await (this.scripts.length > 1 ? this.scripts.shift() : this.scripts[0])(response);
    }
  }
}

/** Runs a test with a fake Usher, which is gone afterwards. */
export function withUsher(body) {
  return async () => {
    const usher = await new FakeUsher().listen();
    const verifiers = [];
    try {
      await body(usher, (verifier) => {
        verifiers.push(verifier);
        return verifier;
      });
    } finally {
      for (const verifier of verifiers) await verifier.stop();
      await usher.die();
    }
  };
}

export function event(kind, data, number) {
  const identity = number === undefined ? "" : `id: ${number}\n`;
  return `event: ${kind}\n${identity}data: ${JSON.stringify(data)}\n\n`;
}

export function snapshot(index, { epochs = {}, sessions = [] } = {}) {
  const subjects = Object.entries(epochs).map(([subject, value]) => ({ subject, epoch: value }));
  return event("snapshot", { index, last: true, access_seconds: 900, subjects, sessions, keys: [] }, index);
}

export function epoch(index, previous, subject, value) {
  return event("revoked", { index, previous, subject, epoch: value, reason: "x" }, index);
}

/** Says this and hangs up. */
export function ends(...chunks) {
  return (response) => response.end(chunks.join(""));
}

/** Says this, with a pause before each piece, and then stays connected in silence. */
export function stays(...chunks) {
  return slowly(0, ...chunks);
}

export function slowly(pause, ...chunks) {
  return async (response) => {
    for (const chunk of chunks) {
      await sleep(pause);
      response.write(chunk);
    }
  };
}

/** A good access token for this moment, with some claims and header members changed. */
export async function token(issuer, changes = {}, jwk = EDWARDS, header = {}) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer, sub: "ann", aud: issuer, sid: "session-1", epoch: 3, client_id: "browser", iat: now, exp: now + 900,
    jti: "token-1", auth_time: now, amr: ["pwd"], roles: ["user"], scope: "openid",
  };
  return await new SignJWT({ ...claims, ...changes })
    .setProtectedHeader({ typ: "at+jwt", alg: jwk.alg, kid: jwk.kid, ...header })
    .sign(await importJWK(jwk, jwk.alg));
}

/** Waits until something holds, and fails when it does not within this time. */
export async function until(holds, milliseconds = 5000) {
  const end = Date.now() + milliseconds;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it never came: ${holds}`);
    await sleep(10);
  }
}

/** Why a token is refused, or `ok`. */
export async function reason(verifier, text) {
  try {
    await verifier.check(text);
    return "ok";
  } catch (error) {
    return error.reason ?? error.name;
  }
}
