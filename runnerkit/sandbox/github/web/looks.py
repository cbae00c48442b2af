"""How states look: one kind for the icon and the colour, one word for the reader."""

from dataclasses import dataclass

CONCLUSIONS = {
    "success": ("success", "Succeeded"),
    "failure": ("failure", "Failed"),
    "error": ("failure", "Error"),
    "timed_out": ("failure", "Timed out"),
    "startup_failure": ("failure", "Could not start"),
    "action_required": ("waiting", "Action required"),
    "cancelled": ("cancelled", "Cancelled"),
    "skipped": ("skipped", "Skipped"),
    "neutral": ("neutral", "Neutral"),
    "stale": ("neutral", "Stale"),
}
STATUSES = {
    "in_progress": ("running", "In progress"),
    "queued": ("queued", "Queued"),
    "waiting": ("waiting", "Waiting"),
    "pending": ("queued", "Pending"),
    "requested": ("queued", "Requested"),
}
UNKNOWN = ("neutral", "Unknown")


@dataclass(frozen=True, slots=True)
class Look:
    """The icon of a state, and its name."""

    kind: str
    word: str


def look(status: str, conclusion: str | None = None) -> Look:
    """Find the look of a status and, once it is completed, of its conclusion."""
    if status == "completed":
        return Look(*CONCLUSIONS.get(conclusion or "", UNKNOWN))
    return Look(*STATUSES.get(status, UNKNOWN))


def status_look(state: str) -> Look:
    """Find the look of a commit status."""
    return look("in_progress" if state == "pending" else "completed", state)


def together(looks: list[Look]) -> str:
    """Name the kind that speaks for all: what failed first, then what is still to come."""
    kinds = {each.kind for each in looks}
    for worst in ("failure", "waiting", "running", "queued", "cancelled"):
        if worst in kinds:
            return worst
    return "success" if kinds else "neutral"
