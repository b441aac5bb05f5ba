"""The feed and the keys over a real connection, with an Usher that answers, breaks, lies and dies."""

import asyncio
import json
import time
from typing import Any

import pytest
from fake_usher import (
    EDWARDS,
    ELLIPTIC,
    FEED_TOKEN,
    KEY_SET,
    FakeUsher,
    ends,
    epoch,
    event,
    snapshot,
    stays,
    token,
    until,
)
from usher_verify import Reason, Refused, Settings, Verifier


def settings(usher: FakeUsher, **changes: Any) -> Settings:
    return Settings(**{"issuer": usher.url, "feed_token": FEED_TOKEN} | changes)


def refused(verifier: Verifier, text: str) -> str:
    with pytest.raises(Refused) as caught:
        verifier.check(text)
    return caught.value.reason.value


async def test_a_snapshot_and_the_stream_reach_the_checks() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7, epochs={"bob": 4}), epoch(9, 7, "ann", 4), pause=0.2)]
        async with Verifier(settings(usher)) as verifier:
            assert verifier.is_current
            assert verifier.position == 7
            ann = token(usher.url)
            assert refused(verifier, token(usher.url, sub="bob")) == "revoked"
            assert verifier.check(ann).sub == "ann"
            await until(lambda: verifier.position == 9)
            assert refused(verifier, ann) == "revoked"
            assert verifier.check(token(usher.url, epoch=4)).epoch == 4
        assert usher.feed_requests[0]["accept"] == "text/event-stream"
        assert "last-event-id" not in usher.feed_requests[0]


async def test_a_lost_feed_is_resumed_by_its_number() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [ends(snapshot(7)), ends(b":\nid: 20\n\n"), stays(epoch(21, 20, "ann", 4))]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 21)
            assert refused(verifier, token(usher.url)) == "revoked"
        assert [request.get("last-event-id") for request in usher.feed_requests] == [None, "7", "20"]


async def test_half_a_group_is_repeated() -> None:
    half = event("revoked", {"index": 9, "previous": 7, "subject": "ann", "session": "session-1", "reason": "x"})
    async with FakeUsher() as usher:
        usher.scripts = [ends(snapshot(7)), ends(half), stays(b":\n\n")]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: len(usher.feed_requests) == 3)
            assert usher.feed_requests[2]["last-event-id"] == "7"
            assert refused(verifier, token(usher.url)) == "revoked"


@pytest.mark.parametrize("trouble", [epoch(30, 25, "bob", 2), b"event: revoked\nid: 8\ndata: rain\n\n"])
async def test_a_gap_and_a_broken_event_are_healed_by_a_snapshot(trouble: bytes) -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), trouble, pause=0.05), stays(snapshot(31, epochs={"ann": 4}))]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 31)
            assert verifier.is_current
            assert refused(verifier, token(usher.url)) == "revoked"
            assert verifier.metrics()["feed_gaps"] == 1
        assert ["last-event-id" in request for request in usher.feed_requests] == [False, False]


async def test_when_usher_dies_checks_go_on_and_nothing_is_forgotten() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7, sessions=["ended"]))]
        async with Verifier(settings(usher)) as verifier:
            good, ended = token(usher.url), token(usher.url, sid="ended")
            assert refused(verifier, ended) == "revoked"
            await usher.die()
            before = verifier.staleness
            assert before is not None
            await asyncio.sleep(0.5)
            assert (verifier.staleness or 0) >= before + 0.4
            assert verifier.check(good).sub == "ann"
            assert verifier.check(token(usher.url, jti="never seen")).sub == "ann"
            assert refused(verifier, ended) == "revoked"
            usher.scripts = [stays(epoch(9, 7, "ann", 4))]
            await usher.listen()
            await until(lambda: verifier.position == 9)
            assert (verifier.staleness or 0) < 1
            assert refused(verifier, good) == "revoked"
            assert usher.feed_requests[-1]["last-event-id"] == "7"


async def test_a_service_that_starts_before_usher_becomes_ready() -> None:
    usher = FakeUsher()
    await usher.listen()
    await usher.die()
    verifier = Verifier(settings(usher))
    await verifier.start(wait=0.1)
    try:
        assert refused(verifier, token(usher.url)) == "not_ready"
        await usher.listen()
        await until(lambda: verifier.is_ready and verifier.is_current, seconds=8)
        assert verifier.check(token(usher.url)).sub == "ann"
    finally:
        await verifier.stop()
        await usher.die()


async def test_a_connection_that_falls_silent_is_dropped_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usher_verify.connection.FEED_SILENCE_SECONDS", 0.4)
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7)), stays(epoch(9, 7, "ann", 4))]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 9)
            assert usher.feed_requests[1]["last-event-id"] == "7"


async def test_a_slow_feed_is_no_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usher_verify.connection.FEED_SILENCE_SECONDS", 0.8)
    async with FakeUsher() as usher:
        pieces = [snapshot(7), b":", b"\nid: 8\n", b"\n:\n", b":\n", b":\nid: 9\n", b"\n"]
        usher.scripts = [stays(*pieces, pause=0.2)]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 9)
            assert len(usher.feed_requests) == 1


async def test_the_policy_refuses_after_its_limit() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7))]
        async with Verifier(settings(usher, refuse_after=0.5)) as verifier:
            good = token(usher.url)
            assert verifier.check(good).sub == "ann"
            await asyncio.sleep(0.7)
            assert refused(verifier, good) == "stale"


@pytest.mark.parametrize("refuse_after", [None, 60])
@pytest.mark.parametrize("said", [b"", b":\n\n", b":\nid: 60\n\n", snapshot(7).replace(b"true", b"false")])
async def test_nothing_is_accepted_before_the_first_whole_snapshot(said: bytes, refuse_after: float | None) -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(said)]
        verifier = Verifier(settings(usher, refuse_after=refuse_after))
        await verifier.start(wait=0.2)
        assert verifier.metrics()["keys"] == 3
        assert not verifier.is_ready
        assert verifier.staleness is None
        assert "staleness_seconds" not in verifier.openmetrics()
        assert refused(verifier, token(usher.url)) == "not_ready"
        usher.scripts = [stays(snapshot(7))]
        await usher.die()
        await usher.listen()
        await until(lambda: verifier.is_ready)
        assert verifier.check(token(usher.url)).sub == "ann"
        await verifier.stop()


async def test_without_a_feed_token_keys_are_enough() -> None:
    async with FakeUsher() as usher, Verifier(Settings(issuer=usher.url)) as verifier:
        assert verifier.is_ready
        assert verifier.check(token(usher.url)).sub == "ann"
        assert not usher.feed_requests


async def test_a_feed_that_talks_and_is_never_current_is_stale() -> None:
    async with FakeUsher() as usher:
        part = snapshot(9).replace(b"true", b"false")
        usher.scripts = [stays(snapshot(7), part, *[b":\nid: 60\n\n"] * 100, pause=0.02)]
        async with Verifier(settings(usher, refuse_after=0.5)) as verifier:
            good = token(usher.url)
            assert verifier.check(good).sub == "ann"
            await until(lambda: (verifier.staleness or 0) > 0.5, seconds=1.5)
            assert refused(verifier, good) == "stale"
            assert len(usher.feed_requests) == 1


async def test_a_server_that_trickles_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usher_verify.verifier.EVENT_SECONDS", 0.4)
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), *[b":"] * 200, pause=0.05), stays(epoch(9, 7, "ann", 4))]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 9, seconds=3)
            assert usher.feed_requests[1]["last-event-id"] == "7"


async def test_a_snapshot_that_breaks_off_is_asked_for_again() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [ends(snapshot(7), snapshot(9).replace(b"true", b"false")), stays(snapshot(9))]
        async with Verifier(settings(usher)) as verifier:
            await until(lambda: verifier.position == 9)
        assert ["last-event-id" in request for request in usher.feed_requests] == [False, False]


async def test_a_wrong_service_token_never_gets_ready() -> None:
    async with FakeUsher() as usher:
        verifier = Verifier(settings(usher, feed_token="uvt_wrong"))
        await verifier.start(wait=0.5)
        assert not verifier.is_current
        assert refused(verifier, token(usher.url)) == "not_ready"
        assert not usher.feed_requests
        await verifier.stop()


async def test_the_position_is_reported_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usher_verify.verifier.REPORT_EVERY_SECONDS", 0.1)
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), b":\nid: 12\n\n", pause=0.35)]
        async with Verifier(settings(usher)):
            await until(lambda: len(usher.reports) == 2)
            await asyncio.sleep(0.3)
        assert usher.reports == [{"applied": 7}, {"applied": 12}]


async def test_j5_a_storm_of_unknown_keys_causes_one_fetch() -> None:
    async with FakeUsher() as usher, Verifier(settings(usher)) as verifier:
        good = token(usher.url)
        assert usher.keys_requests == 1
        unknown = [EDWARDS.token({}, EDWARDS.header(kid=f"unknown-{number}")) for number in range(1000)]

        async def attempt(text: str) -> str:
            try:
                await verifier.check_or_fetch(text)
            except Refused as caught:
                return caught.reason.value
            return "ok"

        usher.keys_status = 500
        answers = await asyncio.gather(*(attempt(text) for text in unknown), *(attempt(good) for _ in range(100)))
        assert answers == ["unknown_key"] * 1000 + ["ok"] * 100
        for text in unknown:
            assert refused(verifier, text) == "unknown_key"
        await asyncio.sleep(1.5)
        assert usher.keys_requests == 2
        assert verifier.metrics()["refused.unknown_key"] == 2000


async def test_j5_an_unknown_key_may_ask_again_after_a_minute() -> None:
    steady = 1000.0
    async with FakeUsher() as usher, Verifier(settings(usher), steady_clock=lambda: steady) as verifier:
        unknown = EDWARDS.token({}, EDWARDS.header(kid="unknown"))
        for seconds, expected in ((0.0, 2), (59.9, 2), (60.0, 3), (61.0, 3)):
            steady = 1000.0 + seconds
            assert refused(verifier, unknown) == "unknown_key"
            await asyncio.sleep(0.2)
            assert usher.keys_requests == expected


async def test_a_new_key_is_fetched_for_the_first_token_that_needs_it() -> None:
    async with FakeUsher() as usher:
        usher.keys_body = json.dumps({"keys": [ELLIPTIC.public_jwk]}).encode()
        async with Verifier(settings(usher)) as verifier:
            usher.keys_body = json.dumps(KEY_SET).encode()
            assert (await verifier.check_or_fetch(token(usher.url))).sub == "ann"
            assert verifier.metrics()["refused.unknown_key"] == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, json.dumps(KEY_SET).encode()),
        (404, json.dumps({"keys": [ELLIPTIC.public_jwk]}).encode()),
        (302, b""),
        (200, b""),
        (200, b'{"keys":[]}'),
        (200, b"<html>502 Bad Gateway</html>"),
        (200, json.dumps({"keys": [ELLIPTIC.public_jwk]}).encode() + b" " * 65536),
        (200, json.dumps({"keys": [ELLIPTIC.public_jwk | {"d": "AA"}]}).encode()),
    ],
)
async def test_j5_a_bad_answer_never_replaces_good_keys(status: int, body: bytes) -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), event("keys", {"withdrawn": []}), pause=0.3)]
        async with Verifier(settings(usher)) as verifier:
            usher.keys_status, usher.keys_body = status, body
            await until(lambda: verifier.metrics()["key_fetches.failed"] == 1)
            assert verifier.check(token(usher.url)).sub == "ann"
            assert verifier.metrics()["keys"] == 3


async def test_a_withdrawn_key_never_comes_back() -> None:
    withdrawn = event("keys", {"index": 9, "previous": 7, "withdrawn": ["ed-1"]}, 9)
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), withdrawn, pause=0.2)]
        async with Verifier(settings(usher)) as verifier:
            assert verifier.check(token(usher.url)).sub == "ann"
            # The key set still lists it, as a copy of it from before would.
            await until(lambda: usher.keys_requests == 2)
            assert refused(verifier, token(usher.url)) == "unknown_key"
            assert verifier.check(token(usher.url, ELLIPTIC)).sub == "ann"


async def test_a_synchronous_service_follows_in_a_thread() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), epoch(9, 7, "ann", 4), pause=0.3)]

        def service() -> list[str]:
            with Verifier(settings(usher)) as verifier:
                first = verifier.check(token(usher.url)).sub
                for _ in range(100):
                    try:
                        verifier.check(token(usher.url))
                    except Refused as caught:
                        return [first, caught.reason.value]
                    time.sleep(0.05)
                return [first]

        assert await asyncio.to_thread(service) == ["ann", "revoked"]


def test_entries_are_forgotten_when_nothing_needs_them() -> None:
    steady = 100.0
    verifier = Verifier(Settings(issuer="https://id.example", feed_token=FEED_TOKEN), steady_clock=lambda: steady)
    verifier._feed.receive(snapshot(7, epochs={"ann": 4}, sessions=["one"]))
    revocations = verifier._checker.revocations
    steady += 900 + 119
    revocations.sweep()
    assert len(revocations) == 2
    steady += 1
    revocations.sweep()
    assert len(revocations) == 0


def test_settings_that_cannot_work_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"issuer": "id.example"},
        {"issuer": "https://id.example", "url": "ftp://id.example"},
        {"issuer": "https://id.example", "leeway": -1},
        {"issuer": "https://id.example", "most_revocations": -1},
        {"issuer": "https://id.example", "feed_token": "uvt_x", "refuse_after": 0},
        {"issuer": "https://id.example", "refuse_after": 30},
    ]
    for changes in wrong:
        with pytest.raises(ValueError, match=r"."):
            Settings(**changes)


def test_every_reason_is_counted_and_readable() -> None:
    verifier = Verifier(Settings(issuer="https://id.example"))
    assert refused(verifier, token("https://id.example")) == Reason.NOT_READY
    text = verifier.openmetrics()
    assert 'usher_verify_refused_total{reason="not_ready"} 1' in text
    assert text.endswith("# EOF\n")
    for reason in Reason:
        assert f'reason="{reason}"' in text
