"""What a launch tells the workflow that ran it: outputs and the step summary."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.cli.common import aside
from runnerkit.cli.say import dollars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.slots import Slot


def facts(slot: Slot) -> dict[str, Any]:
    """One machine as programs get it."""
    return {
        "runner": str(slot.name),
        "runner_id": slot.runner_id,
        "instance": slot.instance_id,
        "type": slot.type,
        "region": slot.region,
        "zone": slot.zone,
        "market": slot.market,
        "price": slot.price,
        "launched_at": slot.since.isoformat(),
        "adopted": slot.adopted,
        "online": slot.online,
    }


def write_outputs(label: str, slots: Sequence[Slot], environment: Mapping[str, str]) -> None:
    """Append ``label``, ``runner`` and ``instance`` (several ones separated by commas) to ``GITHUB_OUTPUT``.

    ``machines`` tells the same and more, as JSON: a list with the type, the place and the price of each.
    """
    values = {
        "label": label,
        "runner": ",".join(str(slot.name) for slot in slots),
        "instance": ",".join(slot.instance_id for slot in slots),
        "machines": json.dumps([facts(slot) for slot in slots]),
    }
    write_values(values, environment)


def write_values(values: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Append outputs of a step to ``GITHUB_OUTPUT``, where there is one."""
    # A delimiter nobody can guess keeps a value from writing outputs of its own.
    mark = f"runnerkit_{secrets.token_hex(8)}"
    _append(environment, "GITHUB_OUTPUT", "".join(f"{k}<<{mark}\n{v}\n{mark}\n" for k, v in values.items()))


def write_summary(label: str, slots: Sequence[Slot], environment: Mapping[str, str]) -> None:
    """Append a table of what was launched to the step summary."""
    head = "| runner | instance | type | zone | market | price |\n| --- | --- | --- | --- | --- | --- |\n"
    rows = "".join(
        f"| `{s.name}` | `{s.instance_id}` | {s.type} | {s.zone} | {s.market} | {dollars(s.price)} |\n" for s in slots
    )
    _append(environment, "GITHUB_STEP_SUMMARY", f"### runnerkit: `{label}`\n\n{head}{rows}\n")


def _append(environment: Mapping[str, str], name: str, text: str) -> None:
    """A file that cannot be written must not cost a machine that is launched already."""
    path = environment.get(name)
    if path:
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            aside(f"warning: {name} cannot be written ({error.strerror}): later steps will not know of it")
