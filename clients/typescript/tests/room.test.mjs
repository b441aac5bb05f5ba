// When there are more revocations than room for them, and questions about connections that stay open.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Checker } from "../dist/checker.js";
import { MOST_KEYS } from "../dist/revocations.js";
import { complete } from "../dist/settings.js";
import { ELLIPTIC, KEY_SET, publicJwk, token } from "./fake-usher.mjs";

const ISSUER = "https://id.example";
const LEEWAY = 60;
const NOW = Math.floor(Date.now() / 1000);

/** A checker with room for so many, and a function that lets time pass. */
async function narrow(mostRevocations) {
  let now = NOW;
  const clocks = { now: () => now, steady: () => now };
  const checker = new Checker(complete({ issuer: ISSUER, leeway: LEEWAY, mostRevocations }), clocks);
  await checker.setKeys(Buffer.from(JSON.stringify(KEY_SET)));
  return { checker, revocations: checker.revocations, pass: (seconds) => (now += seconds) };
}

async function reason(checker, sub, exp) {
  const text = await token(ISSUER, { sub, sid: `session of ${sub}`, exp });
  return await checker.check(text, () => NOW).then(() => "ok", (error) => error.reason);
}

test("what has no room refuses too much and never too little", async () => {
  const { checker, revocations } = await narrow(2);
  for (const subject of ["ann", "bob", "cat"]) revocations.endSubject(subject, 4n, 900);
  assert.equal(revocations.size, 2);
  assert.equal(revocations.isWidened, true);
  // Those that fit, the one that did not, and somebody who has nothing to do with it.
  for (const sub of ["ann", "bob", "cat", "dan"]) assert.equal(await reason(checker, sub, NOW + 900), "revoked", sub);
  // Also if the clock that wrote `exp` was ahead by twice the leeway.
  assert.equal(await reason(checker, "cat", NOW + 900 + 2 * LEEWAY), "revoked");
  // Whoever gets a new token after that gets through.
  assert.equal(await reason(checker, "dan", NOW + 900 + 2 * LEEWAY + 1), "ok");
});

test("known entries still rise when there is no room", async () => {
  const { revocations } = await narrow(1);
  for (const seconds of [10, 900]) {
    revocations.endSession("a", seconds);
    revocations.endSubject("ann", BigInt(seconds), seconds);
  }
  assert.equal(revocations.isWidened, false);
  assert.deepEqual([...revocations.subjects], [["ann", 900n]]);
  assert.deepEqual(revocations.sessions, ["a"]);
});

test("room comes back with time", async () => {
  const { checker, revocations, pass } = await narrow(1);
  revocations.endSession("a", 0);
  revocations.endSession("b", 100);
  pass(2 * LEEWAY);
  revocations.sweep();
  assert.equal(revocations.size, 0);
  assert.equal(await reason(checker, "dan", NOW + 100), "revoked");
  pass(100);
  revocations.sweep();
  assert.equal(revocations.isWidened, false);
  assert.equal(await reason(checker, "dan", NOW + 100), "ok");
  revocations.endSession("c", 900);
  assert.equal(revocations.isWidened, false);
});

test("without any room everything older is refused", async () => {
  const { checker, revocations } = await narrow(0);
  assert.equal(await reason(checker, "ann", NOW + 900), "ok");
  revocations.endSession("somebody's", 900);
  assert.equal(await reason(checker, "ann", NOW + 900), "revoked");
});

test("entries are forgotten when nothing needs them", async () => {
  const { revocations, pass } = await narrow(10);
  revocations.endSubject("ann", 4n, 900);
  revocations.endSubject("ann", 2n, 50);
  revocations.endSession("one", 900);
  pass(900 + 2 * LEEWAY - 1);
  revocations.sweep();
  assert.deepEqual([...revocations.subjects], [["ann", 4n]]);
  assert.equal(revocations.size, 2);
  pass(1);
  revocations.sweep();
  assert.equal(revocations.size, 0);
});

test("withdrawn keys are forgotten only when there are far too many", async () => {
  const { revocations, pass } = await narrow(1);
  for (let number = 0; number < MOST_KEYS; number += 1) revocations.endKey(`key-${number}`, 900);
  pass(10_000);
  revocations.sweep();
  assert.equal(revocations.keys.length, MOST_KEYS);
  revocations.endKey("one more", 900);
  revocations.sweep();
  assert.deepEqual(revocations.keys, ["one more"]);
});

function still(checker, claims, now = NOW) {
  try {
    checker.requireStillGood(claims, now);
    return "ok";
  } catch (error) {
    return error.reason;
  }
}

async function opened(checker, changes = {}) {
  const { claims } = await checker.check(await token(ISSUER, { iat: NOW, exp: NOW + 900, ...changes }), () => NOW);
  assert.equal(still(checker, claims), "ok");
  return claims;
}

test("a connection ends with its token and not a second later", async () => {
  const { checker } = await narrow(10);
  const claims = await opened(checker);
  assert.equal(still(checker, claims, NOW + 900 + LEEWAY - 1), "ok");
  assert.equal(still(checker, claims, NOW + 900 + LEEWAY), "expired");
});

for (const way of ["taken back", "left out"]) {
  test(`j13: a connection ends with its key when that is ${way}`, async () => {
    const { checker, revocations } = await narrow(10);
    const claims = await opened(checker, { kid: "ec-1" });
    assert.equal(claims.kid, "ed-1", "a payload cannot name the key that counts");
    revocations.endKey("ec-1", 900);
    assert.deepEqual([still(checker, claims), checker.isRevoked(claims)], ["ok", false]);
    if (way === "taken back") revocations.endKey("ed-1", 900);
    else await checker.setKeys(Buffer.from(JSON.stringify({ keys: [publicJwk(ELLIPTIC)] })));
    assert.deepEqual([still(checker, claims), checker.isRevoked(claims)], ["unknown_key", true]);
  });
}

test("a connection ends with its user or its session", async () => {
  const { checker, revocations } = await narrow(10);
  const claims = await opened(checker);
  revocations.endSubject("ann", 3n, 900);
  assert.equal(checker.isRevoked(claims), false);
  revocations.endSession("session-1", 900);
  assert.deepEqual([still(checker, claims), checker.isRevoked(claims)], ["revoked", true]);
});
