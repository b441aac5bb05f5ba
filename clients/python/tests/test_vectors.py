"""Every case that the three languages share."""

import json
import subprocess
import sys
from typing import Any

import pytest
from usher_verify.checker import Checker
from usher_verify.keys import KeysRefused, read_keys
from usher_verify.refused import Refused
from usher_verify.revocations import Revocations
from usher_verify.settings import Settings
from usher_verify.stream import Feed, NeedSnapshot

from vectors import VECTORS, load

TOKENS = load("tokens.json")


def make_checker(case: dict[str, Any]) -> Checker:
    followed = case.get("followed")
    settings: dict[str, Any] = dict(TOKENS["settings"])
    if followed is not None:
        settings |= {"feed_token": "uvt_for-tests", "refuse_after": followed["refuse_after"]}
    moment = 0.0
    checker = Checker(Settings(**settings, cache_capacity=10), steady_clock=lambda: moment)
    if followed is None or followed["keys"]:
        checker.set_keys(json.dumps(TOKENS["jwks"]).encode())
    revoked = case.get("revoked", {"subjects": [], "sessions": [], "keys": []})
    for entry in revoked["subjects"]:
        checker.revocations.end_subject(entry["subject"], entry["epoch"], 900)
    for session in revoked["sessions"]:
        checker.revocations.end_session(session, 900)
    for key_id in revoked["keys"]:
        checker.revocations.end_key(key_id, 900)
    if followed is not None and followed["heard"] is not None:
        checker.freshness.heard()
        moment = float(followed["heard"])
    return checker


@pytest.mark.parametrize("case", TOKENS["cases"], ids=lambda case: str(case["name"])[:80])
def test_token(case: dict[str, Any]) -> None:
    checker = make_checker(case)
    required = case.get("require", {"roles": [], "scopes": []})
    for attempt in ("new", "known"):
        try:
            claims, known = checker.check(case["token"], case["now"])
        except Refused as refused:
            assert refused.reason == case["expect"], attempt
            continue
        assert known == (attempt == "known")
        assert case["expect"] == ("ok" if claims.has(required["roles"], required["scopes"]) else "forbidden"), attempt
        for name, value in case.get("claims", {}).items():
            found = getattr(claims, name, None)
            assert (list(found) if isinstance(found, tuple) else found) == value, name


KEY_SETS = load("jwks.json")["cases"]


@pytest.mark.parametrize("case", KEY_SETS, ids=lambda case: str(case["name"]))
def test_key_set(case: dict[str, Any]) -> None:
    try:
        keys = read_keys(case["document"].encode())
    except KeysRefused as refused:
        assert refused.problem == case["expect"]
    else:
        assert case["expect"] == "ok"
        assert list(keys) == case["keys"]


FEEDS = load("feed.json")["cases"]


@pytest.mark.parametrize("case", FEEDS, ids=lambda case: str(case["name"]))
def test_feed(case: dict[str, Any]) -> None:
    revocations = Revocations(leeway=60, most=100)
    asked: list[bool] = []
    heard: list[bool] = []
    feed = Feed(revocations, keys_changed=lambda: asked.append(True), heard=lambda: heard.append(True))
    feed.connect(case["resume"])
    outcome = "following"
    try:
        for chunk in case["chunks"]:
            feed.receive(chunk.encode("latin-1"))
    except NeedSnapshot:
        outcome = "snapshot"
    assert case["expect"] == {
        "outcome": outcome,
        "position": feed.position,
        "last_event_id": feed.last_event_id,
        "current": feed.current,
        "heard": bool(heard),
        "subjects": revocations.subjects,
        "sessions": revocations.sessions,
        "keys": revocations.keys,
        "fetch_keys": bool(asked),
    }


def test_the_vectors_are_what_the_generator_writes() -> None:
    command = [sys.executable, str(VECTORS / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
