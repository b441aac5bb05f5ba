"""Good tokens that were revoked, and good tokens that do not grant what a request needs."""

from collections.abc import Iterator, Mapping

from token_case import NOW, Case, TokenCases, case, claims, claims_without


class LiveTokens(TokenCases):
    """Revocations, roles and scopes."""

    def all(self) -> Iterator[Case]:
        yield from self.revocations()
        yield from self.requirements()

    def revocations(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def revoked(
            name: str,
            expect: str,
            epochs: Mapping[str, int] | None = None,
            sessions: tuple[str, ...] = (),
            ended_keys: tuple[str, ...] = (),
            text: str = token,
        ) -> Case:
            subjects = [{"subject": subject, "epoch": epoch} for subject, epoch in (epochs or {}).items()]
            entries = {"subjects": subjects, "sessions": list(sessions), "keys": list(ended_keys)}
            return case(f"revoked: {name}", text, expect, revoked=entries)

        yield revoked("a higher epoch ends the token", "revoked", {"ann": 4})
        yield revoked("a much higher epoch ends the token", "revoked", {"ann": 2**53 - 1})
        yield revoked("the token's own epoch is the lowest good one", "ok", {"ann": 3})
        yield revoked("a lower epoch ends nothing", "ok", {"ann": 2})
        yield revoked("another user's epoch", "ok", {"bob": 4, "Ann": 4, "ann ": 4})
        yield revoked("epoch 0 of the token", "revoked", {"ann": 1}, text=self.edwards.token(claims(epoch=0)))
        yield revoked("epoch 2^63-1 of the token", "ok", {"ann": 4}, text=self.edwards.token(claims(epoch=2**63 - 1)))
        yield revoked("the session", "revoked", sessions=("session-1",))
        yield revoked("another session", "ok", sessions=("session-2", "SESSION-1", "ann"))
        yield revoked("the session, although the epoch is newer", "revoked", {"ann": 1}, ("session-1",))
        yield revoked("a session with the subject's name", "ok", sessions=("ann",))
        yield revoked("a subject with the session's name", "ok", {"session-1": 99})
        yield revoked("the key", "unknown_key", ended_keys=("ed-1",))
        yield revoked("another key", "ok", ended_keys=("ec-1", "ED-1"))
        yield revoked("the key of one, the token of another", "ok", ended_keys=("ed-1",), text=self.rsa.token(claims()))
        yield revoked(
            "a subject __proto__ is like any other",
            "revoked",
            {"__proto__": 4},
            text=self.edwards.token(claims(sub="__proto__")),
        )
        yield revoked(
            "nothing for a subject constructor",
            "ok",
            {"ann": 4},
            text=self.edwards.token(claims(sub="constructor", sid="toString")),
        )
        yield revoked(
            "expired comes before revoked", "expired", {"ann": 4}, text=self.edwards.token(claims(exp=NOW - 60))
        )

    def requirements(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def required(
            name: str, expect: str, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = (), text: str = token
        ) -> Case:
            return case(f"required: {name}", text, expect, require={"roles": list(roles), "scopes": list(scopes)})

        yield required("nothing", "ok")
        yield required("a role", "ok", ("editor",))
        yield required("any of two roles", "ok", ("admin", "editor"))
        yield required("a role that is lacking", "forbidden", ("admin",))
        yield required("roles are whole words", "forbidden", ("edit", "Editor", "editor "))
        yield required("a scope", "ok", scopes=("profile",))
        yield required("all of two scopes", "ok", scopes=("profile", "openid"))
        yield required("one of two scopes is lacking", "forbidden", scopes=("profile", "mail"))
        yield required("scopes are whole words", "forbidden", scopes=("prof",))
        yield required("a role is no scope", "forbidden", scopes=("editor",))
        yield required("a scope is no role", "forbidden", ("openid",))
        yield required("role and scope", "ok", ("user",), ("openid",))
        yield required("role without scope", "forbidden", ("user",), ("mail",))
        yield required(
            "roles of a token without roles", "forbidden", ("user",), text=self.edwards.token(claims_without("roles"))
        )
        yield required(
            "scopes of a token without scope",
            "forbidden",
            scopes=("openid",),
            text=self.edwards.token(claims_without("scope")),
        )
        tabs = self.edwards.token(claims(scope="openid\tprofile"))
        yield required("only spaces part scopes", "forbidden", scopes=("openid",), text=tabs)
        spaces = self.edwards.token(claims(scope="  openid   profile "))
        yield required("several spaces part scopes", "ok", scopes=("openid", "profile"), text=spaces)
        yield required(
            "a bad token is bad before it lacks something",
            "expired",
            ("admin",),
            text=self.edwards.token(claims(exp=0)),
        )
