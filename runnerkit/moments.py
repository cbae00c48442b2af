"""Times as text, and back."""

from __future__ import annotations

from datetime import UTC, datetime


def aware(text: str) -> datetime:
    """The time in an ISO 8601 text, aware UTC; without a zone it is taken for UTC.

    Raises:
        ValueError: It is none.
        TypeError: It is not even a text.
    """
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def moment(text: str) -> datetime | None:
    """The time in an ISO 8601 text, aware UTC; None when it is none."""
    try:
        return aware(text)
    except (TypeError, ValueError, OverflowError):
        return None
