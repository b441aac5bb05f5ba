"""The cases of feed.json: what a follower of the revocation feed knows after some bytes of it."""

import json
from typing import Any

ANN = "018f0000-0000-7000-8000-00000000000a"
BOB = "018f0000-0000-7000-8000-00000000000b"
ONE = "018f0000-0000-7000-8000-000000000001"
TWO = "018f0000-0000-7000-8000-000000000002"

Entry = dict[str, Any]


def event(kind: str, data: Any, number: int | None = None) -> str:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{identity}data: {text}\n\n"


def snapshot(
    index: int,
    *,
    last: bool = True,
    epochs: dict[str, int] | None = None,
    sessions: tuple[str, ...] = (),
    keys: tuple[str, ...] = (),
) -> str:
    subjects = [{"subject": subject, "epoch": epoch} for subject, epoch in (epochs or {}).items()]
    data = {
        "index": index,
        "last": last,
        "access_seconds": 900,
        "subjects": subjects,
        "sessions": list(sessions),
        "keys": list(keys),
    }
    return event("snapshot", data, index if last else None)


def epoch(index: int, previous: int, subject: str, value: int) -> str:
    data = {"index": index, "previous": previous, "subject": subject, "epoch": value, "reason": "account.suspended"}
    return event("revoked", data, index)


def session(index: int, previous: int, value: str, *, identified: bool = True) -> str:
    data = {"index": index, "previous": previous, "subject": ANN, "session": value, "reason": "session.ended"}
    return event("revoked", data, index if identified else None)


def withdrawn(index: int, previous: int, *kids: str) -> str:
    return event("keys", {"index": index, "previous": previous, "withdrawn": list(kids)}, index)


def heartbeat(number: int) -> str:
    return f":\nid: {number}\n\n"


USUALLY: Entry = {
    "outcome": "following",
    "position": None,
    "last_event_id": None,
    "current": True,
    "heard": True,
    "subjects": {},
    "sessions": (),
    "keys": (),
    "fetch_keys": False,
}


class Cases(list[dict[str, Any]]):
    def add(self, name: str, chunks: list[str] | str, *, resume: int | None = None, **expected: Any) -> None:
        """Adds a case that expects what is usual, but for what is named.

        `last_event_id` is the position unless it is given, and who was not current has not `heard` anything unless that
        is given. Who needs a snapshot has no position any more.
        """
        assert expected.keys() <= USUALLY.keys(), name
        is_current = expected.get("current", True) and expected.get("outcome") != "snapshot"
        usually = USUALLY | {"last_event_id": expected.get("position"), "current": is_current, "heard": is_current}
        expect = usually | expected
        if expect["outcome"] == "snapshot":
            expect |= {"position": None, "last_event_id": None}
        expect |= {"sessions": sorted(expect["sessions"]), "keys": sorted(expect["keys"])}
        pieces = [chunks] if isinstance(chunks, str) else chunks
        self.append({"name": name, "resume": resume, "chunks": pieces, "expect": expect})


def feed_cases() -> list[dict[str, Any]]:
    cases = Cases()
    snapshots(cases)
    resumed(cases)
    gaps(cases)
    heartbeats(cases)
    keys(cases)
    borders(cases)
    standard(cases)
    malformed(cases)
    return list(cases)


def snapshots(cases: Cases) -> None:
    cases.add("nothing yet", [], position=None, current=False)
    cases.add("an empty snapshot", snapshot(0), position=0)
    cases.add(
        "a snapshot",
        snapshot(1042, epochs={ANN: 3, BOB: 7}, sessions=(ONE,), keys=("ed-0",)),
        position=1042,
        subjects={ANN: 3, BOB: 7},
        sessions=(ONE,),
        keys=("ed-0",),
        fetch_keys=False,
    )
    part = snapshot(1042, last=False, epochs={ANN: 3}, sessions=(ONE,))
    cases.add(
        "the first part of a snapshot counts at once, but the client is not current",
        part,
        position=None,
        current=False,
        subjects={ANN: 3},
        sessions=(ONE,),
    )
    cases.add(
        "a snapshot in three parts",
        [part, snapshot(1042, last=False, sessions=(TWO,)), snapshot(1042, epochs={BOB: 7})],
        position=1042,
        subjects={ANN: 3, BOB: 7},
        sessions=(ONE, TWO),
    )
    cases.add(
        "entries only add: the highest epoch wins",
        snapshot(5, epochs={ANN: 9}) + snapshot(6, epochs={ANN: 4}),
        position=6,
        subjects={ANN: 9},
    )
    cases.add(
        "a snapshot sets the position, even to a lower one",
        snapshot(7, sessions=(ONE,)),
        resume=9000,
        position=7,
        sessions=(ONE,),
    )
    cases.add(
        "a part of a snapshot leaves the position of before",
        snapshot(7, last=False, sessions=(ONE,)),
        resume=9000,
        position=9000,
        current=False,
        sessions=(ONE,),
    )


def resumed(cases: Cases) -> None:
    cases.add("resumed, nothing heard yet", [], resume=1042, position=1042, heard=False)
    cases.add(
        "resumed, bytes that never end an event",
        [":", " still", " here\n", "id: 10", "60\n"],
        resume=1042,
        position=1042,
        heard=False,
    )
    cases.add(
        "resumed, then an epoch and a session",
        epoch(1043, 1040, ANN, 4) + session(1050, 1043, ONE),
        resume=1042,
        position=1050,
        subjects={ANN: 4},
        sessions=(ONE,),
    )
    cases.add(
        "previous is exactly the position", epoch(1043, 1042, ANN, 4), resume=1042, position=1043, subjects={ANN: 4}
    )
    cases.add(
        "an entry that is repeated changes nothing",
        epoch(1043, 1040, ANN, 4) * 2,
        resume=1042,
        position=1043,
        subjects={ANN: 4},
    )
    cases.add(
        "an older entry does not take the position back",
        snapshot(50) + epoch(40, 30, ANN, 4),
        position=50,
        subjects={ANN: 4},
    )
    both = {"index": 1043, "previous": 1040, "subject": ANN, "epoch": 4, "session": ONE, "reason": "account.suspended"}
    cases.add(
        "an entry with an epoch and a session ends both",
        event("revoked", both, 1043),
        resume=1042,
        position=1043,
        subjects={ANN: 4},
        sessions=(ONE,),
    )
    group = session(1050, 1042, ONE, identified=False)
    cases.add(
        "the first half of a group moves the position, but a resume repeats the group",
        group,
        resume=1042,
        position=1050,
        last_event_id=1042,
        sessions=(ONE,),
    )
    cases.add(
        "a whole group of one ledger entry",
        [group, session(1050, 1042, TWO)],
        resume=1042,
        position=1050,
        sessions=(ONE, TWO),
    )
    cases.add(
        "an entry after half a group is no gap",
        [group, epoch(1051, 1050, BOB, 2)],
        resume=1042,
        position=1051,
        subjects={BOB: 2},
        sessions=(ONE,),
    )
    cases.add(
        "a snapshot, then entries",
        snapshot(10, epochs={ANN: 2}) + epoch(11, 8, ANN, 3) + session(12, 11, ONE),
        position=12,
        subjects={ANN: 3},
        sessions=(ONE,),
    )


def gaps(cases: Cases) -> None:
    cases.add(
        "a gap: the entry counts, then a snapshot is needed",
        epoch(1060, 1050, ANN, 4),
        resume=1042,
        outcome="snapshot",
        subjects={ANN: 4},
    )
    cases.add(
        "after a gap nothing more is read",
        [epoch(1060, 1050, ANN, 4), session(1061, 1060, ONE)],
        resume=1042,
        outcome="snapshot",
        subjects={ANN: 4},
    )
    cases.add(
        "a gap after entries without one",
        epoch(1043, 1042, ANN, 4) + session(1060, 1044, ONE),
        resume=1042,
        outcome="snapshot",
        heard=True,
        subjects={ANN: 4},
        sessions=(ONE,),
    )
    cases.add(
        "a gap before a withdrawn key",
        withdrawn(1060, 1050, "ed-1"),
        resume=1042,
        outcome="snapshot",
        keys=("ed-1",),
        fetch_keys=True,
    )
    cases.add("an entry before any snapshot", epoch(3, 2, ANN, 4), outcome="snapshot", subjects={ANN: 4})
    cases.add(
        "a heartbeat in between closes the gap",
        heartbeat(1050) + epoch(1060, 1050, ANN, 4),
        resume=1042,
        position=1060,
        subjects={ANN: 4},
    )


def heartbeats(cases: Cases) -> None:
    cases.add("a heartbeat moves the position", snapshot(10) + heartbeat(60), position=60)
    cases.add("a heartbeat counts at its empty line", snapshot(10) + ":\nid: 60\n", position=10)
    cases.add("a lower heartbeat does not take the position back", snapshot(10) + heartbeat(4), position=10)
    cases.add("a heartbeat is heard", heartbeat(1042), resume=1042, position=1042)
    cases.add("an empty line is heard", "\n", resume=1042, position=1042)
    cases.add("a heartbeat before any snapshot is no position", heartbeat(60), position=None, current=False)
    cases.add(
        "a heartbeat between the parts of a snapshot is no position",
        snapshot(10, last=False, sessions=(ONE,)) + heartbeat(60),
        position=None,
        current=False,
        sessions=(ONE,),
    )
    cases.add("comments alone change nothing", snapshot(10) + ":\n\n: still here\n\n:\n:\n", position=10)
    cases.add(
        "an id that is no number is no position",
        snapshot(10) + "id: soon\n\nid: -5\n\nid: 1e9\n\nid\n\nid: \n\nid: 20 \n\n",
        position=10,
    )
    cases.add("an id with NUL is no id", snapshot(10) + "id: 6\x000\n\n", position=10)


def keys(cases: Cases) -> None:
    cases.add(
        "a withdrawn key", withdrawn(1051, 1042, "ed-1"), resume=1042, position=1051, keys=("ed-1",), fetch_keys=True
    )
    cases.add(
        "two withdrawn keys",
        withdrawn(1051, 1042, "ed-1", "ec-1"),
        resume=1042,
        position=1051,
        keys=("ec-1", "ed-1"),
        fetch_keys=True,
    )
    cases.add(
        "keys changed, none withdrawn", event("keys", {"withdrawn": []}), resume=1042, position=1042, fetch_keys=True
    )
    cases.add(
        "keys changed, before any snapshot",
        event("keys", {"withdrawn": []}),
        position=None,
        current=False,
        fetch_keys=True,
    )


def borders(cases: Cases) -> None:
    text = snapshot(10, epochs={ANN: 2}) + heartbeat(11) + session(12, 11, ONE)
    after: dict[str, Any] = {"position": 12, "subjects": {ANN: 2}, "sessions": (ONE,)}
    cases.add("one byte a chunk", list(text), **after)
    cases.add("seven bytes a chunk", [text[start : start + 7] for start in range(0, len(text), 7)], **after)
    cases.add("lines end in CR LF", text.replace("\n", "\r\n"), **after)
    cases.add("lines end in CR LF, one byte a chunk", list(text.replace("\n", "\r\n")), **after)
    # A lone CR could be the first half of CR LF: who waits for more never sees the last line end.
    cases.add("lines end in CR", text.replace("\n", "\r"), **after)
    cases.add("an event counts at its empty line", text[:-1], position=11, subjects={ANN: 2})
    cases.add("half an event at the end is nothing", snapshot(10) + epoch(11, 10, ANN, 4)[:-20], position=10)
    cases.add("empty chunks", ["", text[:30], "", "", text[30:], ""], **after)
    written = json.dumps(
        {"index": 12, "previous": 11, "subject": "ä\U0001f600", "epoch": 4, "reason": "é"}, ensure_ascii=False
    )
    raw = event("revoked", written, 12).encode().decode("latin-1")
    cases.add("borders inside UTF-8", list(raw), resume=11, position=12, subjects={"ä\U0001f600": 4})
    cases.add("a byte order mark at the beginning", ["\xef", "\xbb\xbf" + text], **after)


def standard(cases: Cases) -> None:
    data = '{"index":11,"previous":10,\ndata:"subject":"ann",\ndata: "epoch":4,"reason":"x"}'
    cases.add("data over several lines", event("revoked", data, 11), resume=10, position=11, subjects={"ann": 4})
    tight = 'event:revoked\nid:11\ndata:{"index":11,"previous":10,"subject":"ann","epoch":4,"reason":"x"}\n\n'
    cases.add("no space behind the colon", tight, resume=10, position=11, subjects={"ann": 4})
    cases.add(
        "the id behind the data",
        tight.replace("id:11\n", "").replace("}\n", "}\nid:11\n"),
        resume=10,
        position=11,
        subjects={"ann": 4},
    )
    cases.add(
        "unknown events are ignored, their ids count",
        event("weather", "rain", 20) + event("notice", {"a": 1}),
        resume=10,
        position=20,
    )
    cases.add("an event without a kind is ignored", 'data: {"index":99}\n\n', resume=10, position=10)
    cases.add(
        "unknown fields are ignored", "retry: 5\nfoo: bar\nbaz\n" + tight, resume=10, position=11, subjects={"ann": 4}
    )
    cases.add("the kind does not stay for the next event", "event: revoked\n\ndata: rain\n\n", resume=10, position=10)
    more = {"index": 11, "previous": 10, "subject": "ann", "epoch": 4, "reason": "new.reason", "actor": None}
    cases.add("unknown members are ignored", event("revoked", more, 11), resume=10, position=11, subjects={"ann": 4})


def malformed(cases: Cases) -> None:
    good = {"index": 11, "previous": 10, "subject": "ann", "epoch": 4, "reason": "x"}
    broken: dict[str, tuple[str, Any]] = {
        "text": ("revoked", "rain"),
        "half of JSON": ("revoked", '{"index":11,"previous":10'),
        "a list": ("revoked", "[]"),
        "no index": ("revoked", {"previous": 10, "subject": "ann", "epoch": 4}),
        "no previous": ("revoked", {"index": 11, "subject": "ann", "epoch": 4}),
        "neither epoch nor session": ("revoked", {"index": 11, "previous": 10, "subject": "ann"}),
        "index is a text": ("revoked", good | {"index": "11"}),
        "index is negative": ("revoked", good | {"index": -1}),
        "epoch is a text": ("revoked", good | {"epoch": "4"}),
        "epoch is a fraction": ("revoked", good | {"epoch": 4.5}),
        "epoch is a text, beside a session": ("revoked", good | {"epoch": "4", "session": ONE}),
        "session is a number, beside an epoch": ("revoked", good | {"session": 4}),
        "subject is a number": ("revoked", good | {"subject": 4}),
        "session is a number": ("revoked", {"index": 11, "previous": 10, "subject": "ann", "session": 4}),
        "withdrawn is missing": ("keys", {"index": 11, "previous": 10}),
        "withdrawn is a text": ("keys", {"index": 11, "previous": 10, "withdrawn": "ed-1"}),
        "a withdrawn key without a number": ("keys", {"withdrawn": ["ed-1"]}),
        "a snapshot of text": ("snapshot", "rain"),
        "a snapshot without index": (
            "snapshot",
            {"last": True, "access_seconds": 900, "subjects": [], "sessions": [], "keys": []},
        ),
        "a snapshot with subjects as an object": (
            "snapshot",
            {"index": 11, "last": True, "access_seconds": 900, "subjects": {}, "sessions": [], "keys": []},
        ),
    }
    for name, (kind, data) in broken.items():
        cases.add(
            f"malformed: {name}",
            event(kind, data, 11) + session(12, 11, ONE),
            resume=10,
            outcome="snapshot",
        )
    cases.add(
        "malformed: not UTF-8",
        event("revoked", '{"subject":"\xff"}', 11),
        resume=10,
        outcome="snapshot",
    )
