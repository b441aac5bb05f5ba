// A token that was good is asked again about everything that can change.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Checker } from "../dist/checker.js";
import { complete } from "../dist/settings.js";
import { EDWARDS, ELLIPTIC, KEY_SET, publicJwk, RSA, STRANGER, token } from "./fake-usher.mjs";

const ISSUER = "https://id.example";
const now = Math.floor(Date.now() / 1000);

const keySet = (...keys) => Buffer.from(JSON.stringify({ keys: keys.map(publicJwk) }));

async function makeChecker(cacheCapacity = 100) {
  const clocks = { now: () => now, steady: () => 0 };
  const checker = new Checker(complete({ issuer: ISSUER, cacheCapacity }), clocks);
  await checker.setKeys(Buffer.from(JSON.stringify(KEY_SET)));
  return checker;
}

async function reason(checker, text, at = now) {
  try {
    await checker.check(text, () => at);
    return "ok";
  } catch (error) {
    return error.reason;
  }
}

test("j6: a known token gives the same claims without being read again", async () => {
  const checker = await makeChecker();
  const text = await token(ISSUER);
  const first = await checker.check(text, () => now);
  const second = await checker.check(text, () => now + 1);
  assert.equal(first.claims, second.claims);
  assert.deepEqual([first.known, second.known], [false, true]);
  assert.throws(() => first.claims.roles.push("admin"));
});

test("j6: a known token expires", async () => {
  const checker = await makeChecker();
  const text = await token(ISSUER, { iat: now, exp: now + 900 });
  const found = [];
  for (const at of [now, now + 959, now + 960, now - 61, now]) found.push(await reason(checker, text, at));
  assert.deepEqual(found, ["ok", "ok", "expired", "not_yet_valid", "ok"]);
});

test("j6: a known token can be revoked", async () => {
  const checker = await makeChecker();
  const [byEpoch, bySession] = [await token(ISSUER), await token(ISSUER, { sub: "bob" })];
  assert.deepEqual([await reason(checker, byEpoch), await reason(checker, bySession)], ["ok", "ok"]);
  checker.revocations.endSubject("ann", 4n, 900);
  assert.deepEqual([await reason(checker, byEpoch), await reason(checker, bySession)], ["revoked", "ok"]);
  checker.revocations.endSession("session-1", 900);
  assert.equal(await reason(checker, bySession), "revoked");
});

test("j6: a known token ends with its key", async () => {
  const checker = await makeChecker();
  const [text, other] = [await token(ISSUER), await token(ISSUER, {}, ELLIPTIC)];
  const strangers = await token(ISSUER, {}, STRANGER);
  const { claims } = await checker.check(other, () => now);
  assert.equal(await reason(checker, text), "ok");
  await checker.setKeys(keySet(ELLIPTIC, RSA));
  assert.equal(await reason(checker, text), "unknown_key");
  assert.equal((await checker.check(other, () => now)).claims, claims);
  // Another key under the same id is another key.
  await checker.setKeys(keySet(STRANGER));
  assert.deepEqual([await reason(checker, text), await reason(checker, strangers)], ["bad_signature", "ok"]);
  // A key that comes back is good again, for tokens known from before too.
  await checker.setKeys(keySet(EDWARDS));
  assert.deepEqual([await reason(checker, text), await reason(checker, strangers)], ["ok", "bad_signature"]);
});

test("j6: a refused token is never known as good", async () => {
  const checker = await makeChecker();
  const wrong = [{ exp: now - 60 }, { aud: "https://other.example" }, { nbf: now + 1000 }];
  for (const changes of wrong) {
    const text = await token(ISSUER, changes);
    const first = await reason(checker, text);
    assert.notEqual(first, "ok");
    assert.equal(await reason(checker, text), first);
  }
  assert.equal(checker.knownTokens, 0);
});

for (const capacity of [0, 1, 8]) {
  test(`the number of known tokens is bounded by ${capacity}`, async () => {
    const checker = await makeChecker(capacity);
    for (let number = 0; number < 40; number += 1) {
      const text = await token(ISSUER, { jti: `token-${number}` });
      assert.equal(await reason(checker, text), "ok");
      assert.equal(await reason(checker, text), "ok");
    }
    assert.equal(checker.knownTokens, capacity);
  });
}

test("the tokens used last stay known", async () => {
  const checker = await makeChecker(2);
  const [first, second, third] = await Promise.all(["a", "b", "c"].map((jti) => token(ISSUER, { jti })));
  for (const text of [first, second, first, third]) await checker.check(text, () => now);
  const known = [];
  for (const text of [first, third, second]) known.push((await checker.check(text, () => now)).known);
  assert.deepEqual(known, [true, true, false]);
});

test("j5: a refused key set changes nothing", async () => {
  const checker = await makeChecker();
  const text = await token(ISSUER);
  const { claims } = await checker.check(text, () => now);
  for (const document of ["", "<html>", '{"keys":[]}', keySet(ELLIPTIC, ELLIPTIC), keySet(ELLIPTIC).subarray(1)]) {
    await assert.rejects(checker.setKeys(Buffer.from(document)), { name: "KeysRefused" });
    assert.equal((await checker.check(text, () => now)).claims, claims);
  }
});

test("j8: no text is anything but refused", async () => {
  const checker = await makeChecker();
  for (const text of ["\ud800", "\0".repeat(9000), "ä".repeat(5000), "a.b.c", ".".repeat(20_000_000), "a".repeat(20_000_000)]) {
    assert.equal(await reason(checker, text), "malformed");
  }
});
