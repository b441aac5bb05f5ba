"""What a verifier counts, as a dictionary and as OpenMetrics text."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final

from .refused import Reason

_HELP: Final = {
    "checks": "Checked tokens that were good.",
    "refused": "Refused tokens by reason.",
    "forbidden": "Good tokens that lacked a role or a scope.",
    "key_fetches": "Fetches of the key set by result.",
    "feed_connections": "Connections to the revocation feed that were answered.",
    "feed_failures": "Connections to the revocation feed that failed or broke.",
    "feed_gaps": "Times that a new snapshot was needed.",
}


class Counters:
    """Numbers that only rise. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[tuple[str, str, str]] = Counter()
        for known in ("new", "known"):
            self._values["checks", "token", known] = 0
        for reason in Reason:
            self._values["refused", "reason", reason.value] = 0
        for result in ("ok", "failed"):
            self._values["key_fetches", "result", result] = 0
        for name in ("forbidden", "feed_connections", "feed_failures", "feed_gaps"):
            self._values[name, "", ""] = 0

    def count(self, name: str, label: str = "", value: str = "") -> None:
        """Adds one."""
        with self._lock:
            self._values[name, label, value] += 1

    def values(self) -> dict[tuple[str, str, str], int]:
        """A copy of all numbers by name, label and the label's value."""
        with self._lock:
            return dict(self._values)


def as_dictionary(counters: Counters, gauges: Mapping[str, float]) -> dict[str, float]:
    """One number for each name; a label's value follows its counter's name after a dot."""
    counted = {f"{name}.{value}" if value else name: number for (name, _, value), number in counters.values().items()}
    return {**counted, **gauges}


def as_openmetrics(counters: Counters, gauges: Mapping[str, float]) -> str:
    """The text that Prometheus reads (OpenMetrics 1.0)."""
    lines: list[str] = []
    values = counters.values()
    for name, explanation in _HELP.items():
        lines += [f"# HELP usher_verify_{name} {explanation}", f"# TYPE usher_verify_{name} counter"]
        for (counter, label, value), number in values.items():
            if counter == name:
                labels = f'{{{label}="{value}"}}' if label else ""
                lines.append(f"usher_verify_{name}_total{labels} {number}")
    for name, value_now in gauges.items():
        lines += [f"# TYPE usher_verify_{name} gauge", f"usher_verify_{name} {value_now}"]
    return "\n".join([*lines, "# EOF", ""])
