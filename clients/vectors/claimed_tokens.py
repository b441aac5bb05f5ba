"""Tokens with a right signature that say something right or wrong: types, times, issuer, audience."""

from collections.abc import Iterator
from typing import Any

from signing import compact
from token_case import AUDIENCE, ISSUER, NOW, Case, TokenCases, case, claims, claims_without


class ClaimedTokens(TokenCases):
    """Good tokens, J2 and J3."""

    def all(self) -> Iterator[Case]:
        yield from self.good()
        yield from self.j2_times()
        yield from self.j2_missing_and_empty()
        yield from self.j2_to_the_second()
        yield from self.j3_types()
        yield from self.j3_issuers()
        yield from self.j3_audiences()

    def good(self) -> Iterator[Case]:
        for key in self.keys:
            yield case(f"good: {key.algorithm}", key.token(claims()), "ok", claims=claims())
        least = {name: value for name, value in claims().items() if name not in ("amr", "roles", "scope")}
        granted = least | {"amr": [], "roles": [], "scope": ""}
        yield case(
            "good: amr, roles and scope may be missing and grant nothing",
            self.edwards.token(least),
            "ok",
            claims=granted,
        )
        more = claims(cnf={"jkt": "x"}, name="ann", deep=[[{"a": [None, True, 1.5]}]])
        yield case("good: unknown claims are ignored", self.edwards.token(more), "ok", claims=claims())
        spaced = ' {\n\t"typ" : "at+jwt" , "alg":"EdDSA",\r\n"kid":"ed-1"} '
        yield case(
            "good: white space and escapes in JSON",
            self.edwards.token(claims(sub='ä\U0001f600\u0000"\\/'), spaced),
            "ok",
            claims=claims(sub='ä\U0001f600\u0000"\\/'),
        )

    def j2_times(self) -> Iterator[Case]:
        later = NOW + 900
        values = [
            str(later),
            "",
            f"{later}abc",
            True,
            False,
            [later],
            {"seconds": later},
            None,
            -1,
            -(2**63),
            later + 0.5,
            1e308,
            2**63,
            2**64 - 1,
            2**64,
            10**30,
        ]
        for name in ("exp", "nbf", "iat", "auth_time", "epoch"):
            for value in values:
                yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")
            for text in ("1800000900.0", "1e400", "-1e400", "18e8", "-0", "0x10", "NaN", "Infinity", "01", "+1", "1."):
                written = compact(claims(**{name: "here"})).replace('"here"', text)
                yield case(f"j2: {name} is written {text}", self.edwards.token(written), "malformed")
        for name in ("exp", "iat"):
            yield case(
                f"j2: {name} is 2^63-1",
                self.edwards.token(claims(**{name: 2**63 - 1})),
                "ok" if name == "exp" else "not_yet_valid",
            )
        yield case("j2: nbf is 2^63-1", self.edwards.token(claims(nbf=2**63 - 1)), "not_yet_valid")
        yield case("j2: exp is 0", self.edwards.token(claims(exp=0)), "expired")

    def j2_missing_and_empty(self) -> Iterator[Case]:
        for name in ("iss", "sub", "aud", "sid", "epoch", "client_id", "iat", "exp", "jti", "auth_time"):
            yield case(f"j2: {name} is missing", self.edwards.token(claims_without(name)), "missing_claim")
        yield case("j2: no claims at all", self.edwards.token("{}"), "missing_claim")
        for name in ("iss", "sub", "sid", "client_id", "jti"):
            for value in ("", 7, None, ["ann"], True):
                yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")
        wrong: list[tuple[str, Any]] = [
            ("roles", "admin"),
            ("roles", ["user", 7]),
            ("roles", None),
            ("roles", {}),
            ("amr", {"pwd": True}),
            ("amr", "pwd"),
            ("scope", ["openid"]),
            ("scope", None),
        ]
        for name, value in wrong:
            yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")

    def j2_to_the_second(self) -> Iterator[Case]:
        token = self.edwards.token(claims())
        end = NOW + 900
        for now, expect in (
            (end - 1, "ok"),
            (end, "ok"),
            (end + 59, "ok"),
            (end + 60, "expired"),
            (end + 61, "expired"),
            (2**53 - 1, "expired"),
            (NOW - 60, "ok"),
            (NOW - 61, "not_yet_valid"),
            (0, "not_yet_valid"),
        ):
            yield case(f"j2: checked {now - NOW:+d} s after it was made, with a life of 900 s", token, expect, now)
        for name in ("iat", "nbf"):
            for ahead, expect in ((59, "ok"), (60, "ok"), (61, "not_yet_valid")):
                yield case(
                    f"j2: {name} lies {ahead} s ahead", self.edwards.token(claims(**{name: NOW + ahead})), expect
                )
        yield case(
            "j2: nbf before iat does not loosen iat", self.edwards.token(claims(iat=NOW + 61, nbf=0)), "not_yet_valid"
        )

    def j3_types(self) -> Iterator[Case]:
        for kind in ("at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"):
            yield case(f"j3: typ {kind}", self.edwards.token(claims(), self.edwards.header(typ=kind)), "ok")
        others: list[Any] = [
            "JWT",
            "jwt",
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "statuslist+jwt",
            "id+jwt",
            "refresh+jwt",
            "client-authentication+jwt",
            "reset+jwt",
            "oauth-authz-req+jwt",
            "",
            " at+jwt",
            "at+jwt ",
            "at+jwt;q=1",
            "text/at+jwt",
            "application/application/at+jwt",
            "application/",
            "at",
            "at+jwt\0",
            "at+jw\u212a",
            None,
            7,
            ["at+jwt"],
        ]
        for kind in others:
            token = self.edwards.token(claims(), self.edwards.header(typ=kind))
            yield case(f"j3: typ {compact(kind)}", token, "wrong_type")
        header = {"alg": "EdDSA", "kid": self.edwards.kid}
        yield case("j3: typ is missing", self.edwards.token(claims(), header), "wrong_type")
        yield case("j3: typ is in the claims only", self.edwards.token(claims(typ="at+jwt"), header), "wrong_type")

    def j3_issuers(self) -> Iterator[Case]:
        for issuer in (
            f"{ISSUER}/",
            "https://ID.example",
            "HTTPS://id.example",
            "http://id.example",
            f"{ISSUER}:443",
            f"{ISSUER}.evil.example",
            "https://id.exampl",
            "id.example",
            f" {ISSUER}",
            f"{ISSUER}\0",
            f"{ISSUER}#a",
            f"{ISSUER}?",
            AUDIENCE,
        ):
            yield case(f"j3: iss {compact(issuer)}", self.edwards.token(claims(iss=issuer)), "wrong_issuer")
        for value in ([ISSUER], {"iss": ISSUER}):
            yield case(f"j3: iss {compact(value)}", self.edwards.token(claims(iss=value)), "malformed")

    def j3_audiences(self) -> Iterator[Case]:
        yield case("j3: aud is a list of ours alone", self.edwards.token(claims(aud=[AUDIENCE])), "ok", claims=claims())
        other = "https://other.example"
        for audience in (
            other,
            f"{AUDIENCE}/",
            "https://API.example",
            "https://api.exampl",
            f"{AUDIENCE} {other}",
            "",
            ISSUER,
            [],
            [other],
            [AUDIENCE, other],
            [other, AUDIENCE],
            [AUDIENCE, AUDIENCE],
            [AUDIENCE, 7],
        ):
            yield case(f"j3: aud {compact(audience)}", self.edwards.token(claims(aud=audience)), "wrong_audience")
        for value in ([[AUDIENCE]], [7], {"aud": AUDIENCE}, 7, None, True):
            yield case(f"j3: aud {compact(value)}", self.edwards.token(claims(aud=value)), "malformed")
