"""A token that was good is asked again about everything that can change."""

import json

import pytest
from fake_usher import EDWARDS, ELLIPTIC, KEY_SET, RSA
from signing import SigningKey, load_keys
from token_case import AUDIENCE, ISSUER, LEEWAY, NOW, claims
from usher_verify.checker import Checker
from usher_verify.keys import KeysRefused
from usher_verify.refused import Refused
from usher_verify.settings import Settings

STRANGER = load_keys()[1][0]


def make_checker(capacity: int = 100) -> Checker:
    checker = Checker(Settings(issuer=ISSUER, audience=AUDIENCE, leeway=LEEWAY, cache_capacity=capacity))
    checker.set_keys(json.dumps(KEY_SET).encode())
    return checker


def reason(checker: Checker, token: str, now: int = NOW) -> str:
    try:
        checker.check(token, now)
    except Refused as refused:
        return refused.reason.value
    return "ok"


def key_set(*keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.public_jwk for key in keys]}).encode()


def test_j6_a_known_token_gives_the_same_claims_without_being_read_again() -> None:
    checker = make_checker()
    token = EDWARDS.token(claims())
    first, was_known = checker.check(token, NOW)
    second, is_known = checker.check(token, NOW + 1)
    assert first is second
    assert (was_known, is_known) == (False, True)


def test_j6_a_known_token_expires() -> None:
    checker = make_checker()
    token = EDWARDS.token(claims())
    moments = (NOW, NOW + 959, NOW + 960, NOW - 61, NOW)
    assert [reason(checker, token, now) for now in moments] == ["ok", "ok", "expired", "not_yet_valid", "ok"]


def test_j6_a_known_token_can_be_revoked() -> None:
    checker = make_checker()
    by_epoch, by_session = EDWARDS.token(claims()), EDWARDS.token(claims(sub="bob"))
    assert [reason(checker, by_epoch), reason(checker, by_session)] == ["ok", "ok"]
    checker.revocations.end_subject("ann", 4, 900)
    assert [reason(checker, by_epoch), reason(checker, by_session)] == ["revoked", "ok"]
    checker.revocations.end_session("session-1", 900)
    assert reason(checker, by_session) == "revoked"


def test_j6_a_known_token_ends_with_its_key() -> None:
    checker = make_checker()
    token, other = EDWARDS.token(claims()), ELLIPTIC.token(claims())
    known, _ = checker.check(other, NOW)
    assert reason(checker, token) == "ok"
    checker.set_keys(key_set(ELLIPTIC, RSA))
    assert reason(checker, token) == "unknown_key"
    assert checker.check(other, NOW)[0] is known
    # Another key under the same id is another key.
    checker.set_keys(key_set(STRANGER))
    assert reason(checker, token) == "bad_signature"
    assert reason(checker, STRANGER.token(claims())) == "ok"
    # A key that comes back is good again, for tokens known from before too.
    checker.set_keys(key_set(EDWARDS))
    assert [reason(checker, token), reason(checker, STRANGER.token(claims()))] == ["ok", "bad_signature"]


def test_j6_a_refused_token_is_never_known_as_good() -> None:
    checker = make_checker()
    tokens = [EDWARDS.token(claims(exp=NOW - 60)), EDWARDS.token(claims(aud="x")), STRANGER.token(claims())]
    for token in tokens:
        first = reason(checker, token)
        assert first != "ok"
        assert reason(checker, token) == first
    assert checker.known_tokens == 0


@pytest.mark.parametrize("capacity", [0, 1, 8])
def test_the_number_of_known_tokens_is_bounded(capacity: int) -> None:
    checker = make_checker(capacity)
    for number in range(40):
        for _ in range(2):
            assert reason(checker, EDWARDS.token(claims(jti=f"token-{number}"))) == "ok"
    assert checker.known_tokens == capacity


def test_the_tokens_used_last_stay_known() -> None:
    checker = make_checker(2)
    first, second, third = (EDWARDS.token(claims(jti=name)) for name in "abc")
    for token in (first, second, first, third):
        checker.check(token, NOW)
    assert [checker.check(token, NOW)[1] for token in (first, third, second)] == [True, True, False]


def test_j5_a_refused_key_set_changes_nothing() -> None:
    checker = make_checker()
    token = EDWARDS.token(claims())
    known, _ = checker.check(token, NOW)
    for document in (b"", b"<html>", b'{"keys":[]}', key_set(ELLIPTIC, ELLIPTIC), key_set(ELLIPTIC)[:-1]):
        with pytest.raises(KeysRefused):
            checker.set_keys(document)
        assert checker.check(token, NOW)[0] is known


def test_j8_no_text_is_anything_but_refused() -> None:
    checker = make_checker()
    for token in ("\ud800", "\ud800.\udfff.x", "\0" * 9000, "ä" * 5000, "a.b.c", "." * 20_000_000, "a" * 20_000_000):
        assert reason(checker, token) == "malformed"
