"""Tokens made to cost time, memory or a panic, or to be read in two ways."""

from collections.abc import Iterator

from signing import compact, encode
from token_case import Case, TokenCases, case, claims, claims_and


class HostileTokens(TokenCases):
    """J8."""

    def all(self) -> Iterator[Case]:
        yield from self.j8_sizes()
        yield from self.j8_json()
        yield from self.j8_base64()

    def j8_sizes(self) -> Iterator[Case]:
        def padded(length: int) -> str:
            return self.edwards.token(claims(pad="a" * length))

        fitting = next(length for length in range(6100, 0, -1) if len(padded(length)) <= 8192)
        yield case("j8: as long as a token may be", padded(fitting), "ok", claims=claims())
        yield case("j8: longer than 8 KiB", padded(fitting + 2), "malformed")
        many = {f"c{index}": 0 for index in range(10_000)}
        yield case("j8: 10 000 claims", self.edwards.token(claims() | many), "malformed")
        some = {f"c{index}": 0 for index in range(600)}
        yield case("j8: 600 unknown claims", self.edwards.token(claims() | some), "ok", claims=claims())
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for depth, expect in ((100, "ok"), (200, "malformed"), (900, "malformed")):
                nested = f'"deep":{opening * depth}0{closing * depth}'
                yield case(f"j8: depth {depth} of {opening}", self.edwards.token(claims_and(nested)), expect)
            yield case(
                f"j8: depth 200 of {opening} in the header",
                self.edwards.token(
                    claims(), f'{{"typ":"at+jwt","alg":"EdDSA","kid":"ed-1","a":{opening * 200}0{closing * 200}}}'
                ),
                "malformed",
            )
        brackets = claims(name="[" * 500 + "{" * 500 + '\\"' * 10)
        yield case("j8: brackets in a text are no depth", self.edwards.token(brackets), "ok", claims=claims())

    def j8_json(self) -> Iterator[Case]:
        for more in (
            '"exp":9999999999',
            '"sub":"ann"',
            '"\\u0073ub":"admin"',
            '"x":1,"x":1',
            '"x":{"a":1,"a":2}',
            '"x":[{"a":[{"b":1,"b":1}]}]',
            '"__proto__":1,"__proto__":1',
            '"x":{"":1,"":1}',
        ):
            yield case(f"j8: repeated claim: {more}", self.edwards.token(claims_and(more)), "malformed")
        yield case(
            "j8: a claim __proto__ is like any other",
            self.edwards.token(claims_and('"__proto__":{"sub":"bob"}')),
            "ok",
            claims=claims(),
        )
        for more in ('"alg":"none"', '"kid":"ec-1"', '"\\u0061lg":"EdDSA"', '"typ":"at+jwt"', '"a":1,"a":1'):
            header = f'{{"typ":"at+jwt","alg":"EdDSA","kid":"ed-1",{more}}}'
            yield case(f"j8: repeated header member: {more}", self.edwards.token(claims(), header), "malformed")
        for text in (
            "",
            "null",
            "[]",
            "7",
            '"text"',
            "{",
            "{}x",
            "{} {}",
            "\ufeff{}",
            '{"a":}',
            "{'a':1}",
            '{"a":1,}',
            "{a:1}",
            '{"a":1 "b":2}',
            '{"a":"\n"}',
            '{"a":"\\x"}',
            '{"a":tru}',
            '{"a":"\\ud800"}',
            '{"\\udc00":1}',
            '{"a":"\\ud800\\u0041"}',
            '{"a":1e999}',
            '{"a":/**/1}',
            "\u00a0{}",
            '{"a":01}',
            '{"a":.5}',
            '{"a":-}',
        ):
            yield case(f"j8: claims {compact(text)}", self.edwards.token(text), "malformed")
            yield case(f"j8: header {compact(text)}", self.edwards.token(claims(), text), "malformed")
        yield case("j8: claims are not UTF-8", self.edwards.token(b'{"sub":"\xff\xfe"}'), "malformed")
        yield case("j8: claims hold an overlong UTF-8 form", self.edwards.token(b'{"sub":"\xc0\xaf"}'), "malformed")
        yield case("j8: claims hold a surrogate in UTF-8", self.edwards.token(b'{"sub":"\xed\xa0\x80"}'), "malformed")

    def j8_base64(self) -> Iterator[Case]:
        token = self.edwards.token(claims(jti="t"))
        parts = token.split(".")
        for index, part in enumerate(("header", "payload", "signature")):
            for form, text in (
                ("one padding sign", f"{parts[index]}="),
                ("two padding signs", f"{parts[index]}=="),
                ("a space before it", f" {parts[index]}"),
                ("a newline after it", f"{parts[index]}\n"),
                ("NUL after it", f"{parts[index]}\0"),
                ("the other alphabet", f"{parts[index]}+/"),
                ("a variation selector before it", f"\ufe0f{parts[index]}"),
            ):
                changed = [*parts[:index], text, *parts[index + 1 :]]
                yield case(f"j8: {part} with {form}", ".".join(changed), "bad_signature" if index == 1 else "malformed")
        for header, payload in (("e30", "e31"), ("e30=", "e30"), ("e31", "e30")):
            message = f"{header}.{payload}"
            yield case(
                f"j8: signed but not as a token: {message}",
                f"{message}.{self.edwards.sign(message)}",
                "malformed" if header != "e30" else "wrong_type",
            )
        head = encode(compact(self.edwards.header()))
        for form, body in (
            ("padding", f"{encode('{} ')}="),
            ("stray last bits", "e31"),
            ("white space", "e30\n"),
            ("the other alphabet", "+/+/"),
        ):
            message = f"{head}.{body}"
            yield case(f"j8: signed payload with {form}", f"{message}.{self.edwards.sign(message)}", "malformed")
        # 64 bytes leave four bits over: a lenient reader takes sixteen texts for one signature.
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for stray in range(1, 16):
            last = alphabet[alphabet.index(token[-1]) + stray]
            yield case(f"j8: signature with stray last bits {stray:04b}", f"{token[:-1]}{last}", "malformed")
        for form, text in (
            ("nothing", ""),
            ("one dot", "."),
            ("two dots", ".."),
            ("three dots", "..."),
            ("five parts", "a.b.c.d.e"),
            ("a dot after it", f"{token}."),
            ("a dot before it", f".{token}"),
            ("Bearer before it", f"Bearer {token}"),
            ("no signature part", f"{parts[0]}.{parts[1]}"),
            ("two signatures", f"{token}.{parts[2]}"),
            ("a space around it", f" {token} "),
        ):
            yield case(f"j8: shape: {form}", text, "malformed")
        yield case("j8: shape: empty payload", f"{parts[0]}..{parts[2]}", "bad_signature")
