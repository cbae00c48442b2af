"""Where a job runs: its labels, its group, and whether GitHub hosts such machines."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.sandbox.workflows.values import Value, text

SERVED = frozenset({"ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04", "ubuntu-slim"})
_ARM = frozenset({"ubuntu-24.04-arm", "ubuntu-22.04-arm"})
_WINDOWS = frozenset({"windows-latest", "windows-2025", "windows-2022", "windows-11-arm"})
_MAC = frozenset(
    {
        f"macos-{version}{kind}"
        for version in ("latest", "26", "15", "14")
        for kind in ("", "-large", "-xlarge", "-intel")
    }
)
HOSTED = SERVED | _ARM | _WINDOWS | _MAC


class PlaceInvalid(ValueError):
    """A ``runs-on`` that names no machine."""


@dataclass(frozen=True)
class Place:
    """What ``runs-on`` asks for."""

    labels: tuple[str, ...]
    group: str | None = None

    @property
    def hosted(self) -> bool:
        """Tell whether GitHub's own machines take such a job."""
        return self.group is None and bool(self.labels) and all(each.lower() in HOSTED for each in self.labels)

    @property
    def problem(self) -> str | None:
        """Say why a hosted job would wait for ever here."""
        foreign = [each for each in self.labels if each.lower() not in SERVED]
        if not self.hosted or not foreign:
            return None
        return f"nobody serves {foreign[0]!r} here; hosted jobs run on {', '.join(sorted(SERVED))}"


def placed(runs_on: Value) -> Place:
    """Read an evaluated ``runs-on``: a label, several, or a mapping with ``group`` and ``labels``.

    Raises:
        PlaceInvalid: it names no machine.
    """
    if not isinstance(runs_on, dict):
        return Place(_labels(runs_on))
    group = text(runs_on.get("group")) or None
    labels = _labels(runs_on["labels"]) if runs_on.get("labels") else ()
    if group is None and not labels:
        raise PlaceInvalid("runs-on names neither a group nor labels")
    return Place(labels, group)


def _labels(value: Value) -> tuple[str, ...]:
    labels = tuple(_label(each) for each in (value if isinstance(value, list) else [value]))
    if not labels:
        raise PlaceInvalid("runs-on is an empty list; name at least one label")
    return labels


def _label(value: Value) -> str:
    label = text(value).strip()
    if not label or isinstance(value, (list, dict)):
        raise PlaceInvalid("runs-on came out empty; a label is text, such as ubuntu-latest")
    return label
