"""When there are more revocations than room for them, and questions about connections that stay open."""

import json

import pytest
from fake_usher import EDWARDS, ELLIPTIC, KEY_SET
from token_case import AUDIENCE, ISSUER, LEEWAY, NOW, claims
from usher_verify import Claims, Settings
from usher_verify.checker import Checker
from usher_verify.refused import Refused
from usher_verify.revocations import MOST_KEYS, Revocations


class Clocks:
    """Both clocks, which go on together."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def narrow(most: int, clocks: Clocks) -> Checker:
    settings = Settings(issuer=ISSUER, audience=AUDIENCE, leeway=LEEWAY, most_revocations=most)
    checker = Checker(settings, clock=clocks, steady_clock=clocks)
    checker.set_keys(json.dumps(KEY_SET).encode())
    return checker


def reason(checker: Checker, subject: str, exp: int) -> str:
    try:
        checker.check(EDWARDS.token(claims(sub=subject, sid=f"session of {subject}", exp=exp)), NOW)
    except Refused as refused:
        return refused.reason.value
    return "ok"


def test_what_has_no_room_refuses_too_much_and_never_too_little(clocks: Clocks) -> None:
    checker = narrow(2, clocks)
    for subject in ("ann", "bob", "cat"):
        checker.revocations.end_subject(subject, 4, 900)
    assert len(checker.revocations) == 2
    assert checker.revocations.is_widened
    # Those that fit, the one that did not, and somebody who has nothing to do with it.
    assert [reason(checker, subject, NOW + 900) for subject in ("ann", "bob", "cat", "dan")] == ["revoked"] * 4
    # Also if the clock that wrote `exp` was ahead by twice the leeway.
    assert reason(checker, "cat", NOW + 900 + 2 * LEEWAY) == "revoked"
    # Whoever gets a new token after that gets through.
    assert reason(checker, "dan", NOW + 900 + 2 * LEEWAY + 1) == "ok"


def test_known_entries_still_rise_when_there_is_no_room(clocks: Clocks) -> None:
    revocations = narrow(1, clocks).revocations
    for seconds in (10, 900):
        revocations.end_session("a", seconds)
        revocations.end_subject("ann", seconds, seconds)
    assert not revocations.is_widened
    assert (revocations.subjects, revocations.sessions) == ({"ann": 900}, ["a"])


def test_room_comes_back_with_time(clocks: Clocks) -> None:
    checker = narrow(1, clocks)
    checker.revocations.end_session("a", 0)
    checker.revocations.end_session("b", 100)
    clocks.now += 2 * LEEWAY
    checker.revocations.sweep()
    assert len(checker.revocations) == 0
    assert reason(checker, "dan", NOW + 100) == "revoked"
    clocks.now += 100
    checker.revocations.sweep()
    assert not checker.revocations.is_widened
    assert reason(checker, "dan", NOW + 100) == "ok"
    checker.revocations.end_session("c", 900)
    assert not checker.revocations.is_widened


def test_without_any_room_everything_older_is_refused(clocks: Clocks) -> None:
    checker = narrow(0, clocks)
    assert reason(checker, "ann", NOW + 900) == "ok"
    checker.revocations.end_session("somebody's", 900)
    assert reason(checker, "ann", NOW + 900) == "revoked"


def test_withdrawn_keys_are_forgotten_only_when_there_are_far_too_many(clocks: Clocks) -> None:
    revocations = Revocations(LEEWAY, 1, clock=clocks, steady_clock=clocks)
    for number in range(MOST_KEYS):
        revocations.end_key(f"key-{number}", 900)
    clocks.now += 10_000
    revocations.sweep()
    assert len(revocations.keys) == MOST_KEYS
    revocations.end_key("one more", 900)
    revocations.sweep()
    assert revocations.keys == ["one more"]


def opened(checker: Checker) -> Claims:
    known, _ = checker.check(EDWARDS.token(claims()), NOW)
    assert still(checker, known) == "ok"
    return known


def still(checker: Checker, known: Claims, now: int = NOW) -> str:
    try:
        checker.require_still_good(known, now)
    except Refused as refused:
        return refused.reason.value
    return "ok"


def test_a_connection_ends_with_its_token_and_not_a_second_later(clocks: Clocks) -> None:
    checker = narrow(10, clocks)
    known = opened(checker)
    assert still(checker, known, NOW + 900 + LEEWAY - 1) == "ok"
    assert still(checker, known, NOW + 900 + LEEWAY) == "expired"


@pytest.mark.parametrize("way", ["taken back", "left out"])
def test_j13_a_connection_ends_with_its_key_however_the_key_ends(clocks: Clocks, way: str) -> None:
    checker = narrow(10, clocks)
    known = opened(checker)
    checker.revocations.end_key("ec-1", 900)
    assert (still(checker, known), checker.is_revoked(known)) == ("ok", False)
    if way == "taken back":
        checker.revocations.end_key("ed-1", 900)
    else:
        checker.set_keys(json.dumps({"keys": [ELLIPTIC.public_jwk]}).encode())
    assert (still(checker, known), checker.is_revoked(known)) == ("unknown_key", True)


def test_a_payload_cannot_name_the_key_that_counts(clocks: Clocks) -> None:
    checker = narrow(10, clocks)
    known, _ = checker.check(EDWARDS.token(claims(kid="ec-1")), NOW)
    assert known.kid == "ed-1"


def test_a_connection_ends_with_its_user_or_its_session(clocks: Clocks) -> None:
    checker = narrow(10, clocks)
    known = opened(checker)
    checker.revocations.end_subject("ann", 3, 900)
    assert not checker.is_revoked(known)
    checker.revocations.end_session("session-1", 900)
    assert (still(checker, known), checker.is_revoked(known)) == ("revoked", True)
