// The feed and the keys over a real connection, with an Usher that answers, breaks, lies and dies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { REASONS, Verifier } from "../dist/index.js";
import {
  EDWARDS, ELLIPTIC, ends, epoch, event, FakeUsher, FEED_TOKEN, KEY_SET, publicJwk, reason, slowly, snapshot, stays, token, until, withUsher,
} from "./fake-usher.mjs";

const settings = (usher, changes = {}) => ({ issuer: usher.url, feedToken: FEED_TOKEN, ...changes });

test("a snapshot and the stream reach the checks", withUsher(async (usher, use) => {
  usher.scripts = [slowly(200, snapshot(7, { epochs: { bob: 4 } }), epoch(9, 7, "ann", 4))];
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  assert.equal(verifier.isCurrent, true);
  assert.equal(verifier.position, 7);
  const ann = await token(usher.url);
  assert.equal(await reason(verifier, await token(usher.url, { sub: "bob" })), "revoked");
  const claims = await verifier.check(ann);
  assert.equal(claims.sub, "ann");
  assert.equal(verifier.isRevoked(claims), false);
  await until(() => verifier.position === 9);
  assert.equal(await reason(verifier, ann), "revoked");
  assert.equal(verifier.isRevoked(claims), true);
  assert.equal(await reason(verifier, await token(usher.url, { epoch: 4 })), "ok");
  assert.equal(usher.feedRequests[0].accept, "text/event-stream");
  assert.equal("last-event-id" in usher.feedRequests[0], false);
}));

test("a lost feed is resumed by its number", withUsher(async (usher, use) => {
  usher.scripts = [ends(snapshot(7)), ends(":\nid: 20\n\n"), stays(epoch(21, 20, "ann", 4))];
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  await until(() => verifier.position === 21);
  assert.equal(await reason(verifier, await token(usher.url)), "revoked");
  assert.deepEqual(usher.feedRequests.map((headers) => headers["last-event-id"]), [undefined, "7", "20"]);
}));

test("half a group is repeated", withUsher(async (usher, use) => {
  const half = event("revoked", { index: 9, previous: 7, subject: "ann", session: "session-1", reason: "x" });
  usher.scripts = [ends(snapshot(7)), ends(half), stays(":\n\n")];
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  await until(() => usher.feedRequests.length === 3);
  assert.equal(usher.feedRequests[2]["last-event-id"], "7");
  assert.equal(await reason(verifier, await token(usher.url)), "revoked");
}));

for (const trouble of [epoch(30, 25, "bob", 2), "event: revoked\nid: 8\ndata: rain\n\n"]) {
  test(`a snapshot heals ${JSON.stringify(trouble).slice(0, 40)}`, withUsher(async (usher, use) => {
    usher.scripts = [slowly(50, snapshot(7), trouble), stays(snapshot(31, { epochs: { ann: 4 } }))];
    const verifier = use(new Verifier(settings(usher)));
    await verifier.start();
    await until(() => verifier.position === 31);
    assert.equal(verifier.isCurrent, true);
    assert.equal(await reason(verifier, await token(usher.url)), "revoked");
    assert.equal(verifier.metrics().feed_gaps, 1);
    assert.deepEqual(usher.feedRequests.map((headers) => headers["last-event-id"]), [undefined, undefined]);
  }));
}

test("when Usher dies, checks go on and nothing is forgotten", async () => {
  const usher = await new FakeUsher().listen();
  usher.scripts = [stays(snapshot(7, { sessions: ["ended"] }))];
  const verifier = new Verifier(settings(usher));
  await verifier.start();
  const [good, ended] = [await token(usher.url), await token(usher.url, { sid: "ended" })];
  assert.equal(await reason(verifier, ended), "revoked");
  await usher.die();
  const before = verifier.staleness;
  await sleep(500);
  assert.ok(verifier.staleness >= before + 0.4);
  assert.equal(await reason(verifier, good), "ok");
  assert.equal(await reason(verifier, await token(usher.url, { jti: "never seen" })), "ok");
  assert.equal(await reason(verifier, ended), "revoked");
  usher.scripts = [stays(epoch(9, 7, "ann", 4))];
  await usher.listen();
  await until(() => verifier.position === 9);
  assert.ok(verifier.staleness < 1);
  assert.equal(await reason(verifier, good), "revoked");
  assert.equal(usher.feedRequests.at(-1)["last-event-id"], "7");
  await verifier.stop();
  await usher.die();
});

test("a service that starts before Usher becomes ready", async () => {
  const usher = await new FakeUsher().listen();
  await usher.die();
  const verifier = new Verifier(settings(usher));
  await verifier.start(100);
  assert.equal(await reason(verifier, await token(usher.url)), "not_ready");
  await usher.listen();
  await until(() => verifier.isReady && verifier.isCurrent, 8000);
  assert.equal(await reason(verifier, await token(usher.url)), "ok");
  await verifier.stop();
  await usher.die();
});

test("a connection that falls silent is dropped and resumed", withUsher(async (usher, use) => {
  usher.scripts = [stays(snapshot(7)), stays(epoch(9, 7, "ann", 4))];
  const verifier = use(new Verifier(settings(usher), { feedSilence: 400 }));
  await verifier.start();
  await until(() => verifier.position === 9);
  assert.equal(usher.feedRequests[1]["last-event-id"], "7");
}));

test("a slow feed is no silent one", withUsher(async (usher, use) => {
  usher.scripts = [slowly(200, snapshot(7), ":", "\nid: 8\n", "\n:\n", ":\n", ":\nid: 9\n", "\n")];
  const verifier = use(new Verifier(settings(usher), { feedSilence: 800 }));
  await verifier.start();
  await until(() => verifier.position === 9);
  assert.equal(usher.feedRequests.length, 1);
}));

test("a stop ends requests that the garbage collector has passed over", withUsher(async (usher) => {
  const verifier = new Verifier(settings(usher));
  await verifier.start();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  for (let round = 0; round < 5; round += 1) {
    collect();
    await sleep(20);
  }
  const stopped = verifier.stop().then(() => "stopped");
  assert.equal(await Promise.race([stopped, sleep(2000, "hangs")]), "stopped");
}));

test("the policy refuses after its limit", withUsher(async (usher, use) => {
  usher.scripts = [stays(snapshot(7))];
  const verifier = use(new Verifier(settings(usher, { refuseAfter: 0.5 })));
  await verifier.start();
  const good = await token(usher.url);
  assert.equal(await reason(verifier, good), "ok");
  await sleep(700);
  assert.equal(await reason(verifier, good), "stale");
}));

const part = (index) => snapshot(index).replace("true", "false");

for (const [name, said] of Object.entries({ nothing: "", comments: ":\n\n", heartbeats: ":\nid: 60\n\n", "a part": part(7) })) {
  for (const refuseAfter of [undefined, 60]) {
    test(`${name} is no whole snapshot, with refuseAfter ${refuseAfter}`, withUsher(async (usher, use) => {
      usher.scripts = [stays(said)];
      const verifier = use(new Verifier(settings(usher, { refuseAfter })));
      await verifier.start(200);
      assert.equal(verifier.metrics().keys, 3);
      assert.equal(verifier.isReady, false);
      assert.equal(verifier.staleness, undefined);
      assert.doesNotMatch(verifier.openmetrics(), /staleness_seconds/);
      assert.equal(await reason(verifier, await token(usher.url)), "not_ready");
      usher.scripts = [stays(snapshot(7))];
      await usher.die();
      await usher.listen();
      await until(() => verifier.isReady);
      assert.equal(await reason(verifier, await token(usher.url)), "ok");
    }));
  }
}

test("without a feed token keys are enough", withUsher(async (usher, use) => {
  const verifier = use(new Verifier({ issuer: usher.url }));
  await verifier.start();
  assert.equal(verifier.isReady, true);
  assert.equal(await reason(verifier, await token(usher.url)), "ok");
  assert.equal(usher.feedRequests.length, 0);
}));

test("a feed that talks and is never current is stale", withUsher(async (usher, use) => {
  usher.scripts = [slowly(20, snapshot(7), part(9), ...Array(100).fill(":\nid: 60\n\n"))];
  const verifier = use(new Verifier(settings(usher, { refuseAfter: 0.5 })));
  await verifier.start();
  const good = await token(usher.url);
  assert.equal(await reason(verifier, good), "ok");
  await until(() => verifier.staleness > 0.5, 1500);
  assert.equal(await reason(verifier, good), "stale");
  assert.equal(usher.feedRequests.length, 1);
}));

test("a server that trickles is left", withUsher(async (usher, use) => {
  usher.scripts = [slowly(50, snapshot(7), ...Array(200).fill(":")), stays(epoch(9, 7, "ann", 4))];
  const verifier = use(new Verifier(settings(usher), { feedEvent: 400 }));
  await verifier.start();
  await until(() => verifier.position === 9, 3000);
  assert.equal(usher.feedRequests[1]["last-event-id"], "7");
}));

test("a snapshot that breaks off is asked for again", withUsher(async (usher, use) => {
  usher.scripts = [ends(snapshot(7), part(9)), stays(snapshot(9))];
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  await until(() => verifier.position === 9);
  assert.deepEqual(usher.feedRequests.map((headers) => headers["last-event-id"]), [undefined, undefined]);
}));

test("a wrong service token never gets ready", withUsher(async (usher, use) => {
  const verifier = use(new Verifier(settings(usher, { feedToken: "uvt_wrong" })));
  await verifier.start(500);
  assert.equal(verifier.isCurrent, false);
  assert.equal(await reason(verifier, await token(usher.url)), "not_ready");
  assert.equal(usher.feedRequests.length, 0);
}));

test("the position is reported when it has changed", withUsher(async (usher, use) => {
  usher.scripts = [slowly(350, snapshot(7), ":\nid: 12\n\n")];
  const verifier = use(new Verifier(settings(usher), { reportEvery: 100 }));
  await verifier.start();
  await until(() => usher.reports.length === 2);
  await sleep(300);
  assert.deepEqual(usher.reports, [{ applied: 7 }, { applied: 12 }]);
}));

test("j5: a storm of unknown keys causes one fetch", withUsher(async (usher, use) => {
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  const good = await token(usher.url);
  assert.equal(usher.keysRequests, 1);
  const unknown = [];
  for (let number = 0; number < 1000; number += 1) {
    unknown.push(await token(usher.url, {}, EDWARDS, { kid: `unknown-${number}` }));
  }
  usher.keysStatus = 500;
  const storm = [...unknown, ...Array(100).fill(good), ...unknown].map((text) => reason(verifier, text));
  const answers = await Promise.all(storm);
  assert.deepEqual(new Set(answers.slice(0, 1000)), new Set(["unknown_key"]));
  assert.deepEqual(new Set(answers.slice(1000, 1100)), new Set(["ok"]));
  await sleep(1500);
  assert.equal(usher.keysRequests, 2);
  assert.equal(verifier.metrics()["refused.unknown_key"], 2000);
}));

test("j5: an unknown key may ask again after a minute", withUsher(async (usher, use) => {
  let steady = 1e6;
  const verifier = use(new Verifier(settings(usher), { steadyClock: () => steady }));
  await verifier.start();
  const unknown = await token(usher.url, {}, EDWARDS, { kid: "unknown" });
  for (const [seconds, expected] of [[0, 2], [59.9, 2], [60, 3], [61, 3]]) {
    steady = 1e6 + seconds * 1000;
    assert.equal(await reason(verifier, unknown), "unknown_key");
    await sleep(100);
    assert.equal(usher.keysRequests, expected);
  }
}));

test("a new key is fetched for the first token that needs it", withUsher(async (usher, use) => {
  usher.keysBody = JSON.stringify({ keys: [publicJwk(ELLIPTIC)] });
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  usher.keysBody = JSON.stringify(KEY_SET);
  assert.equal((await verifier.check(await token(usher.url))).sub, "ann");
  assert.equal(verifier.metrics()["refused.unknown_key"], 0);
}));

const other = JSON.stringify({ keys: [publicJwk(ELLIPTIC)] });
const badAnswers = [
  [500, JSON.stringify(KEY_SET)],
  [404, other],
  [302, ""],
  [200, ""],
  [200, '{"keys":[]}'],
  [200, "<html>502 Bad Gateway</html>"],
  [200, other + " ".repeat(65536)],
  [200, JSON.stringify({ keys: [{ ...publicJwk(ELLIPTIC), d: "AA" }] })],
];
for (const [status, body] of badAnswers) {
  test(`j5: a bad answer never replaces good keys: ${status} ${body.slice(0, 20)}`, withUsher(async (usher, use) => {
    usher.scripts = [slowly(300, snapshot(7), event("keys", { withdrawn: [] }))];
    const verifier = use(new Verifier(settings(usher)));
    await verifier.start();
    usher.keysStatus = status;
    usher.keysBody = body;
    await until(() => verifier.metrics()["key_fetches.failed"] === 1);
    assert.equal(await reason(verifier, await token(usher.url)), "ok");
    assert.equal(verifier.metrics().keys, 3);
  }));
}

test("a withdrawn key never comes back", withUsher(async (usher, use) => {
  usher.scripts = [slowly(200, snapshot(7), event("keys", { index: 9, previous: 7, withdrawn: ["ed-1"] }, 9))];
  const verifier = use(new Verifier(settings(usher)));
  await verifier.start();
  assert.equal(await reason(verifier, await token(usher.url)), "ok");
  // The key set still lists it, as a copy of it from before would.
  await until(() => verifier.metrics()["key_fetches.ok"] === 2);
  assert.equal(await reason(verifier, await token(usher.url)), "unknown_key");
  assert.equal(await reason(verifier, await token(usher.url, {}, ELLIPTIC)), "ok");
}));

test("a stopped verifier goes on with what it knows, and asks nobody", withUsher(async (usher) => {
  usher.scripts = [stays(snapshot(7, { sessions: ["ended"] }))];
  const verifier = new Verifier(settings(usher));
  await verifier.start();
  await verifier.stop();
  const before = usher.keysRequests;
  assert.equal(await reason(verifier, await token(usher.url)), "ok");
  assert.equal(await reason(verifier, await token(usher.url, { sid: "ended" })), "revoked");
  assert.equal(await reason(verifier, await token(usher.url, {}, EDWARDS, { kid: "unknown" })), "unknown_key");
  assert.equal(usher.keysRequests, before);
  await verifier.start();
  await until(() => usher.feedRequests.length === 2);
  assert.equal(usher.feedRequests[1]["last-event-id"], "7");
  await verifier.stop();
}));

test("settings that cannot work are refused", () => {
  const wrong = [
    { issuer: "id.example" },
    { issuer: "https://id.example", url: "ftp://id.example" },
    { issuer: "https://id.example", leeway: -1 },
    { issuer: "https://id.example", mostRevocations: -1 },
    { issuer: "https://id.example", leeway: Number.NaN },
    { issuer: "https://id.example", feedToken: "uvt_x", refuseAfter: 0 },
    { issuer: "https://id.example", refuseAfter: 30 },
  ];
  for (const one of wrong) assert.throws(() => new Verifier(one));
});

test("every reason is counted and readable", async () => {
  const verifier = new Verifier({ issuer: "https://id.example" });
  assert.equal(await reason(verifier, await token("https://id.example")), "not_ready");
  const text = verifier.openmetrics();
  assert.ok(text.includes('usher_verify_refused_total{reason="not_ready"} 1'));
  assert.ok(text.endsWith("# EOF\n"));
  for (const one of REASONS) assert.ok(text.includes(`reason="${one}"`), one);
});
