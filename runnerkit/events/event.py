"""What all events have."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events. ``name`` is the stable word for programs; the fields are what it is about."""

    @property
    def name(self) -> str:
        """The event's kebab-case name, as in logs and ``--json``."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in type(self).__name__)
        return words.removeprefix("-")

    def as_dict(self) -> dict[str, Any]:
        """Name and fields, ready for JSON."""
        return {"event": self.name} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return value.as_dict() if hasattr(value, "as_dict") else value
