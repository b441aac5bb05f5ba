// What callers of real applications see: Express, and a handler of the Fetch API.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, request as httpRequest } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import express from "express";

import { protect, usher as usherMiddleware, userOf, Verifier } from "../dist/index.js";
import { FEED_TOKEN, slowly, snapshot, stays, token, until, withUsher } from "./fake-usher.mjs";

const INVALID = 'Bearer error="invalid_token"';
const LACKS = 'Bearer error="insufficient_scope"';
const bearer = (text) => ({ authorization: `Bearer ${text}` });

/** An Express application on a free port, as a function that asks it. */
async function expressApp(verifier, requirements) {
  const app = express();
  app.get("/whoami", usherMiddleware(verifier, requirements), (request, response) => response.json(userOf(request).sub));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}/whoami`;
  return { ask: (headers = {}) => fetch(url, { headers }), url, close: () => server.close().closeAllConnections() };
}

/** The same as a handler of the Fetch API. */
async function fetchApp(verifier, requirements) {
  const handler = protect((request, user, more) => Response.json(user.sub + more), verifier, requirements);
  return {
    ask: (headers = {}) => handler(new Request("https://service.example/whoami", { headers }), ""),
    close: () => undefined,
  };
}

const DETAILS = {
  null: "Access tokens cannot be checked at the moment.",
  Bearer: "An access token is needed.",
  [INVALID]: "The access token is not accepted.",
  [LACKS]: "The access token lacks a role or a scope.",
};

async function expect(answer, status, code, challenge) {
  const body = await answer.json();
  assert.deepEqual(Object.keys(body).sort(), ["code", "detail", "status", "title", "type"]);
  assert.deepEqual([answer.status, body.status, body.code, body.type], [status, status, code, "about:blank"]);
  assert.equal(body.detail, DETAILS[challenge], "the same words in every language");
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.equal(answer.headers.get("www-authenticate"), challenge);
  assert.equal(answer.headers.get("retry-after"), status === 503 ? "5" : null);
  assert.doesNotMatch(JSON.stringify(body), /expired|malformed|issuer|signature/);
}

for (const [name, makeApp] of [["express", expressApp], ["fetch", fetchApp]]) {
  test(`${name}: answers`, withUsher(async (usher, use) => {
    usher.scripts = [stays(snapshot(7, { epochs: { bob: 4 } }))];
    const verifier = use(new Verifier({ issuer: usher.url, feedToken: FEED_TOKEN }));
    await verifier.start();
    const app = await makeApp(verifier, {});
    const good = await token(usher.url);
    assert.equal(await (await app.ask(bearer(good))).json(), "ann");
    for (const scheme of ["bearer", "BEARER"]) {
      assert.equal((await app.ask({ authorization: `${scheme}  ${good}` })).status, 200);
    }
    await expect(await app.ask(), 401, "unauthenticated", "Bearer");
    await expect(await app.ask({ authorization: "Basic YTpi" }), 401, "unauthenticated", "Bearer");
    const bob = await token(usher.url, { sub: "bob" });
    const bad = ["", "x", good.slice(0, -2), `${good} x`, bob, await token(usher.url, { exp: 1 }), await token("https://x")];
    for (const text of bad) await expect(await app.ask(bearer(text)), 401, "unauthenticated", INVALID);
    const twice = new Headers([["authorization", `Bearer ${good}`], ["authorization", `Bearer ${good}`]]);
    await expect(await app.ask(twice), 401, "unauthenticated", INVALID);
    app.close();
  }));

  test(`${name}: lacking a role or a scope is forbidden`, withUsher(async (usher, use) => {
    const verifier = use(new Verifier({ issuer: usher.url, feedToken: FEED_TOKEN }));
    await verifier.start();
    const app = await makeApp(verifier, { roles: ["editor", "admin"], scopes: ["openid"] });
    assert.equal((await app.ask(bearer(await token(usher.url, { roles: ["user", "editor"] })))).status, 200);
    for (const changes of [{ roles: ["user"] }, { roles: ["editor"], scope: "" }, { roles: [] }]) {
      await expect(await app.ask(bearer(await token(usher.url, changes))), 403, "forbidden", LACKS);
    }
    app.close();
  }));

  test(`${name}: before there are keys, and when the feed is stale`, withUsher(async (usher, use) => {
    usher.keysStatus = 500;
    const verifier = use(new Verifier({ issuer: usher.url, feedToken: FEED_TOKEN, refuseAfter: 1 }));
    await verifier.start(100);
    const app = await makeApp(verifier, {});
    const good = await token(usher.url);
    await expect(await app.ask(bearer(good)), 503, "not_ready", null);
    await expect(await app.ask(), 401, "unauthenticated", "Bearer");
    usher.keysStatus = 200;
    await until(() => verifier.isReady && verifier.staleness > 1);
    await expect(await app.ask(bearer(good)), 503, "revocations_stale", null);
    app.close();
  }));
}

test("express: two Authorization headers are refused although Node shows only the first", withUsher(async (usher, use) => {
  const verifier = use(new Verifier({ issuer: usher.url, feedToken: FEED_TOKEN }));
  await verifier.start();
  const app = await expressApp(verifier, {});
  const good = await token(usher.url);
  const headers = ["authorization", `Bearer ${good}`, "authorization", "Bearer x", "host", "127.0.0.1"];
  const status = await new Promise((resolve, reject) => {
    httpRequest(app.url, { headers }, (response) => resolve(response.resume().statusCode)).on("error", reject).end();
  });
  assert.equal(status, 401);
  app.close();
}));

test("whoever is not behind the middleware has no user", () => {
  assert.throws(() => userOf({}), { message: /not behind the middleware/ });
});

test("an error of the handler is not hidden as a refusal", withUsher(async (usher, use) => {
  const verifier = use(new Verifier({ issuer: usher.url, feedToken: FEED_TOKEN }));
  await verifier.start();
  const handler = protect(() => { throw new TypeError("of the handler"); }, verifier);
  const request = new Request("https://service.example/", { headers: bearer(await token(usher.url)) });
  await assert.rejects(handler(request), { message: "of the handler" });
}));

test("the service of the whole-system tests runs", withUsher(async (usher) => {
  usher.scripts = [slowly(0, snapshot(1), ":\nid: 3\n\n")];
  const free = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => free.once("listening", resolve));
  const { port } = free.address();
  await new Promise((resolve) => free.close(resolve));
  const service = spawn(process.execPath, [fileURLToPath(new URL("service.mjs", import.meta.url))], {
    env: { ...process.env, USHER_ISSUER: "https://id.example", USHER_URL: usher.url, USHER_FEED_TOKEN: FEED_TOKEN, PORT: String(port) },
    stdio: "inherit",
  });
  const ask = (path, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers });
  try {
    await until(async () => (await ask("/health").catch(() => undefined))?.status === 200, 15_000);
    const answer = await ask("/whoami", bearer(await token("https://id.example", { roles: ["player"] })));
    assert.deepEqual(await answer.json(), { service: "node", user: "ann", roles: ["player"] });
    assert.equal((await ask("/whoami")).status, 401);
    assert.equal((await ask("/elsewhere")).status, 404);
    const state = await (await ask("/verify-state")).json();
    assert.equal(state.position, 3);
    assert.ok(state.staleness >= 0 && state.staleness < 15);
  } finally {
    service.kill();
  }
}));
