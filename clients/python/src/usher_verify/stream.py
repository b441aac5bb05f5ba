"""The bytes of the revocation feed, read as server-sent events (WHATWG HTML §9.2). It opens no connection."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .revocations import Revocations
from .strict import JsonObject, NotStrict, parse_object

# A snapshot's event of 1000 entries has about 90 KB. Whatever is so much longer does not come from a feed.
_LONGEST_EVENT: Final = 1024 * 1024

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class NeedSnapshot(Exception):
    """Something was missed or not understood: connect again, without a position."""


@dataclass(slots=True)
class Event:
    """What an empty line ended. Without `data` it is an id alone, which moves the position, or nothing."""

    kind: str
    data: str
    id: str | None


class EventReader:
    """Puts events together from pieces that may end anywhere, inside a line end and inside a character too."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skip_line_feed = False
        self._first_line = True
        self._kind = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None

    def read(self, chunk: bytes) -> list[Event]:
        """The events that this piece completes."""
        events: list[Event] = []
        for line in self._lines(chunk):
            if line:
                self._field(line)
            else:
                events.append(Event(self._kind, "\n".join(self._data), self._id))
                self._kind, self._data, self._size, self._id = "", [], 0, None
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Complete lines, ended by CR LF, LF or CR. The LF of a CR LF may come with the next piece."""
        if self._skip_line_feed and chunk:
            self._skip_line_feed = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if chunk.endswith(b"\r"):
            self._skip_line_feed = True
        chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = chunk.split(b"\n")
        self._rest += first
        if len(self._rest) > _LONGEST_EVENT:
            raise NeedSnapshot("a line is too long")
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        if self._first_line:
            self._first_line = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        return lines

    def _field(self, line: bytes) -> None:
        name, _, rest = line.partition(b":")
        value = rest.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"event":
            self._kind = value
        elif name == b"data":
            self._size += len(line)
            if self._size > _LONGEST_EVENT:
                raise NeedSnapshot("an event is too long")
            self._data.append(value)
        elif name == b"id" and "\0" not in value:
            self._id = value


class Feed:
    """What the feed has said so far, and from where it can be resumed.

    `position` is the highest number seen, against which a gap is found. `last_event_id` is where a resume begins: only
    `id:` lines and whole snapshots move it, so that half a group of events is repeated.
    """

    def __init__(
        self, revocations: Revocations, *, keys_changed: Callable[[], None], heard: Callable[[], None]
    ) -> None:
        self._revocations = revocations
        self._keys_changed = keys_changed
        self._heard = heard
        self._access_seconds = 900
        self._reader = EventReader()
        self.position: int | None = None
        self.last_event_id: int | None = None
        self.current = False
        """Whether everything up to `position` is known."""

    def connect(self, resume: int | None) -> None:
        """Begins a new connection that asked for everything after `resume`, or for a snapshot."""
        self._reader = EventReader()
        self.position = self.last_event_id = resume
        self.current = resume is not None

    def receive(self, chunk: bytes) -> int:
        """Applies what this piece completes, and says how many events that were.

        Calls `heard` after each after which the client is current. Raises `NeedSnapshot`, after which this connection
        is to be dropped.
        """
        try:
            events = self._reader.read(chunk)
            for event in events:
                self._apply(event)
                if self.current:
                    self._heard()
        except NeedSnapshot:
            self.connect(None)
            raise
        except NotStrict as error:
            self.connect(None)
            raise NeedSnapshot(str(error)) from error
        return len(events)

    def _apply(self, event: Event) -> None:
        if event.data:
            match event.kind:
                case "snapshot":
                    self._snapshot(parse_object(event.data.encode()))
                case "revoked":
                    self._revoked(parse_object(event.data.encode()))
                case "keys":
                    self._keys(parse_object(event.data.encode()))
        # Before the whole snapshot an id means nothing: whoever resumed from it would miss the rest.
        number = _number(event.id)
        if number is not None and self.current:
            self.last_event_id = max(self.last_event_id or 0, number)
            self.position = max(self.position or 0, number)

    def _snapshot(self, members: JsonObject) -> None:
        index, last = _integer(members, "index"), _boolean(members, "last")
        access_seconds = _integer(members, "access_seconds")
        subjects = [_subject(entry) for entry in _list(members, "subjects")]
        sessions = _texts(members, "sessions")
        keys = _texts(members, "keys")
        # Everything was read before anything is applied: an event counts whole or not at all.
        self._access_seconds = access_seconds
        for subject, epoch in subjects:
            self._revocations.end_subject(subject, epoch, access_seconds)
        for session in sessions:
            self._revocations.end_session(session, access_seconds)
        for key_id in keys:
            self._revocations.end_key(key_id, access_seconds)
        if last:
            self.position = self.last_event_id = index
        self.current = last

    def _revoked(self, members: JsonObject) -> None:
        index, previous = _integer(members, "index"), _integer(members, "previous")
        subject = _text(members, "subject")
        epoch = _integer(members, "epoch") if "epoch" in members else None
        session = _text(members, "session") if "session" in members else None
        if epoch is None and session is None:
            raise NotStrict("neither an epoch nor a session is ended")
        if epoch is not None:
            self._revocations.end_subject(subject, epoch, self._access_seconds)
        if session is not None:
            self._revocations.end_session(session, self._access_seconds)
        self._advance(index, previous)

    def _keys(self, members: JsonObject) -> None:
        withdrawn = _texts(members, "withdrawn")
        place = (_integer(members, "index"), _integer(members, "previous")) if withdrawn else None
        for key_id in withdrawn:
            self._revocations.end_key(key_id, self._access_seconds)
        self._keys_changed()
        if place is not None:
            self._advance(*place)

    def _advance(self, index: int, previous: int) -> None:
        """The entry has been applied by now: entries only ever add, so it counts although others are missing."""
        if self.position is None or previous > self.position:
            raise NeedSnapshot(f"the entry before {index} is {previous}, and {self.position} is known")
        self.position = max(self.position, index)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def _integer(members: JsonObject, name: str) -> int:
    value = members.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise NotStrict(f"{name} is no whole number")


def _boolean(members: JsonObject, name: str) -> bool:
    value = members.get(name)
    if isinstance(value, bool):
        return value
    raise NotStrict(f"{name} is no boolean")


def _text(members: JsonObject, name: str) -> str:
    value = members.get(name)
    if isinstance(value, str) and value:
        return value
    raise NotStrict(f"{name} is no text")


def _list(members: JsonObject, name: str) -> list[object]:
    value = members.get(name)
    if isinstance(value, list):
        return value
    raise NotStrict(f"{name} is no list")


def _texts(members: JsonObject, name: str) -> list[str]:
    texts = [item for item in _list(members, name) if isinstance(item, str) and item]
    if len(texts) != len(_list(members, name)):
        raise NotStrict(f"{name} holds something else than texts")
    return texts


def _subject(entry: object) -> tuple[str, int]:
    if not isinstance(entry, dict):
        raise NotStrict("an entry is no object")
    return _text(entry, "subject"), _integer(entry, "epoch")
