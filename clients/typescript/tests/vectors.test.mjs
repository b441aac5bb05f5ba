// Every case that the three languages share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Checker } from "../dist/checker.js";
import { grants } from "../dist/claims.js";
import { KeysRefused, readKeys } from "../dist/keys.js";
import { Refused } from "../dist/refused.js";
import { Revocations } from "../dist/revocations.js";
import { complete } from "../dist/settings.js";
import { Feed, NeedSnapshot } from "../dist/stream.js";

const load = (name) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8"));

const tokens = load("tokens.json");

async function makeChecker(revoked = { subjects: [], sessions: [], keys: [] }, followed = undefined) {
  let moment = 0;
  const feed = followed && { feedToken: "uvt_for-tests", refuseAfter: followed.refuse_after ?? undefined };
  const settings = complete({ ...tokens.settings, ...feed, cacheCapacity: 10 });
  const checker = new Checker(settings, { now: () => 0, steady: () => moment });
  if (followed === undefined || followed.keys) await checker.setKeys(Buffer.from(JSON.stringify(tokens.jwks)));
  for (const { subject, epoch } of revoked.subjects) checker.revocations.endSubject(subject, BigInt(epoch), 900);
  for (const session of revoked.sessions) checker.revocations.endSession(session, 900);
  for (const keyId of revoked.keys) checker.revocations.endKey(keyId, 900);
  if (typeof followed?.heard === "number") {
    checker.freshness.heard();
    moment = followed.heard;
  }
  return checker;
}

for (const { name, token, now, revoked, followed, require = {}, expect, claims } of tokens.cases) {
  test(`token: ${name}`, async () => {
    const checker = await makeChecker(revoked, followed);
    for (const attempt of ["new", "known"]) {
      let found;
      try {
        found = await checker.check(token, () => now);
      } catch (error) {
        assert.ok(error instanceof Refused, error);
        assert.equal(error.reason, expect, attempt);
        continue;
      }
      assert.equal(found.known, attempt === "known");
      assert.equal(grants(found.claims, require) ? "ok" : "forbidden", expect, attempt);
      for (const [claim, value] of Object.entries(claims ?? {})) {
        assert.deepEqual(found.claims[claim], value, claim);
      }
    }
  });
}

for (const { name, document, expect, keys } of load("jwks.json").cases) {
  test(`key set: ${name}`, async () => {
    try {
      const found = await readKeys(Buffer.from(document));
      assert.equal(expect, "ok");
      assert.deepEqual([...found.keys()], keys);
    } catch (error) {
      if (!(error instanceof KeysRefused)) throw error;
      assert.equal(error.problem, expect);
    }
  });
}

for (const { name, resume, chunks, expect } of load("feed.json").cases) {
  test(`feed: ${name}`, () => {
    const revocations = new Revocations(60, 100, { now: () => 0, steady: () => 0 });
    let fetchKeys = false;
    let heard = false;
    const feed = new Feed(revocations, () => (fetchKeys = true), () => (heard = true));
    feed.connect(resume ?? undefined);
    let outcome = "following";
    try {
      for (const chunk of chunks) feed.receive(Buffer.from(chunk, "latin1"));
    } catch (error) {
      assert.ok(error instanceof NeedSnapshot, error);
      outcome = "snapshot";
    }
    const found = {
      outcome,
      position: feed.position ?? null,
      last_event_id: feed.lastEventId ?? null,
      current: feed.current,
      heard,
      subjects: Object.fromEntries([...revocations.subjects].map(([subject, epoch]) => [subject, Number(epoch)])),
      sessions: revocations.sessions,
      keys: revocations.keys,
      fetch_keys: fetchKeys,
    };
    assert.deepEqual(found, expect);
  });
}
