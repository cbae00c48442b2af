"""Times as people say them."""

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
LONG = 30 * DAY


def relative(moment: datetime, now: datetime) -> str:
    """Say how long ago (or how soon) a moment is; old ones by their date."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) >= LONG:
        return moment.astimezone(UTC).strftime("%-d %b %Y")
    if abs(seconds) < 1:
        return "now"
    said = _coarse(abs(seconds))
    return f"{said} ago" if seconds > 0 else f"in {said}"


def _coarse(seconds: float) -> str:
    for size, unit in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def duration(started: datetime | None, ended: datetime | None) -> str:
    """Say how long something took, in the two largest units."""
    if started is None or ended is None:
        return ""
    seconds = max(0, int((ended - started).total_seconds()))
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m {seconds % MINUTE}s"
    if seconds < DAY:
        return f"{seconds // HOUR}h {seconds % HOUR // MINUTE}m"
    return f"{seconds // DAY}d {seconds % DAY // HOUR}h"


def exact(moment: datetime) -> str:
    """Write a moment out, for a tooltip."""
    return moment.astimezone(UTC).strftime("%-d %B %Y, %H:%M:%S UTC")


def machine(moment: datetime) -> str:
    """Write a moment the way ``<time datetime>`` and scripts read it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed(text: object) -> datetime | None:
    """Read a time that a runner wrote; what is none is left out."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
