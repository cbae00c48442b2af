"""The ``runs-on`` label: one text that says whose machine is wanted and which, read and written here and nowhere else.

``runnerkit[=SCOPE][/KEY=VALUE[+VALUE]]...`` is read into a :class:`Label`; :func:`format_label` spells it in the one
canonical way. ``docs/labels.md`` explains every key. Case does not count, except in ``profile``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runnerkit.errors import LabelError
from runnerkit.labels.keys import KEYS
from runnerkit.labels.values import Misspelt, nearest, region_of
from runnerkit.wishes import RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runnerkit.labels.keys import Key

WORD = "runnerkit"
LABEL_LIMIT = 256
SHOWN = 80
# How alike a label's first word must be to ours to be taken for a slip of the pen; "runner" is not.
ALIKE = 0.88

_OURS = re.compile(rf"{WORD}(?=$|[=/])", re.ASCII | re.IGNORECASE)
_SCOPE = re.compile(r"[a-z0-9][a-z0-9._-]*")
# What an array may hold beside our keys: GitHub's own words for the machine, with the architecture they claim.
_COMPANIONS = {"self-hosted": None, "linux": None, "x64": "x64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Label:
    """What a label says: ``scope`` makes it unique (usually the run's id), ``spec`` is the wish."""

    scope: str | None
    spec: RunnerSpec


def is_ours(text: str) -> bool:
    """Whether a label is addressed to runnerkit: ``runnerkit``, ``runnerkit=...`` or ``runnerkit/...``."""
    return _OURS.match(text) is not None


def misspelt(labels: Sequence[str]) -> str | None:
    """The label that was probably meant for runnerkit but is not spelt so; None when there is none."""
    for text in labels:
        head = re.split(r"[=/]", text, maxsplit=1)[0].lower()
        if head != WORD and SequenceMatcher(None, head, WORD).ratio() >= ALIKE:
            return text
    return None


def parse(text: str) -> Label:
    """Read one label.

    Raises:
        LabelError: It cannot be understood; names label, key, value, what is allowed and the nearest valid spelling.
    """
    _check_text(text)
    head, *parts = text.split("/")
    return Label(_scope(text, head), _spec(text, parts))


def format_label(label: Label) -> str:
    """Spell a label: lower case, keys in a fixed order, numbers and durations in their shortest form.

    Raises:
        LabelError: It holds something that no label can say, for example a profile with a slash.
    """
    parts = [WORD if label.scope is None else f"{WORD}={label.scope}"]
    for name, key in KEYS.items():
        said = key.write(label.spec)
        if said:
            parts.append(f"{name}={said}")
    text = "/".join(parts)
    if parse(text) != label:
        raise LabelError(f"no label can say {label.spec!r}", hint=f"the nearest is {text}")
    return text


def read(labels: Sequence[str], *, arrays: bool = False) -> Label | None:
    """The wish in a job's labels; None when none of them is ours.

    Args:
        labels: The job's labels, all of them.
        arrays: Understand ``[self-hosted, runnerkit, gpu=t4]`` as well, where every key is a label of its own.

    Raises:
        LabelError: One is ours but cannot be understood, or others stand beside it and ``arrays`` is off.
    """
    ours = [label for label in labels if is_ours(label)]
    if not ours:
        return None
    if len(ours) > 1:
        raise LabelError(
            f"labels {_show(ours[0])} and {_show(ours[1])}: a job can ask for one machine only",
            hint="put every key into one label, separated by slashes",
        )
    others = [label for label in labels if not is_ours(label)]
    if not others:
        return parse(ours[0])
    if not arrays:
        raise _array_refused(ours[0], others)
    return _read_array(ours[0], others)


def _check_text(text: str) -> None:
    if len(text) > LABEL_LIMIT:
        raise _error(text, "", f"it has {len(text)} characters", f"GitHub takes {LABEL_LIMIT}; use spec= for long ones")
    if "${{" in text or "}}" in text:
        raise _error(
            text,
            "",
            "the expression in it was not evaluated",
            "GitHub evaluates ${{ }} in runs-on itself; elsewhere write the value, for example the run's id",
        )
    odd = next((c for c in text if not "!" <= c <= "~"), None)
    if odd is not None:
        raise _error(text, "", f"it holds the character {odd!a}", "labels are printable ASCII without spaces")
    if not is_ours(text):
        near = _near(re.split("[=/]", text)[0], [WORD])
        raise _error(text, "", f"it does not begin with the word {WORD}", f"{near}a label is {WORD}=SCOPE/KEY=VALUE")


def _scope(text: str, head: str) -> str | None:
    _, given, scope = head.lower().partition("=")
    if not given:
        return None
    if not scope:
        raise _error(text, "", "the scope after = is empty", f"write {WORD}=${{{{ github.run_id }}}}, or no = at all")
    if "=" in scope:
        raise _error(text, "", f"{scope} is not a scope", f"separate keys by a slash: {WORD}/{scope}")
    if not _SCOPE.fullmatch(scope):
        raise _error(text, "", f"{scope} is not a scope", "allowed: letters, digits, dot, dash, underscore")
    return scope


def _spec(text: str, parts: Sequence[str]) -> RunnerSpec:
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for part in parts:
        name, raw = _key_and_value(text, part)
        if name in seen:
            raise _error(text, name, f"{name}= is there twice", "name every key once; + joins alternatives", raw)
        seen.add(name)
        fields |= _values(text, name, raw)
    _check_places(text, fields)
    return RunnerSpec(**fields)


def _key_and_value(text: str, part: str) -> tuple[str, str]:
    name, equals, raw = part.partition("=")
    name = name.lower()
    if not part:
        raise _error(text, "", "a part between slashes is empty", "write KEY=VALUE, and no slash at the end")
    if name not in KEYS:
        raise _error(text, name, f"there is no key {name!r}", f"{_near_key(name, equals)}keys: {', '.join(KEYS)}", raw)
    if not raw:
        raise _error(text, name, f"{name}= has no value", f"allowed: {KEYS[name].allowed}")
    return name, raw


def _values(text: str, name: str, raw: str) -> dict[str, Any]:
    """The fields of the wish that one key sets, checked on their own so that a bound names its key."""
    key = KEYS[name]
    near = ""
    try:
        fields = key.read(raw if key.keeps_case else raw.lower())
        RunnerSpec.model_validate(fields)
    except Misspelt as wrong:
        reason = str(wrong)
        near = f"did you mean {name}={wrong.nearest}? " if wrong.nearest and _is_valid(key, wrong.nearest) else ""
    except ValidationError as wrong:
        reason = _bound(wrong)
    else:
        return fields
    raise _error(text, name, f"{name}={raw}: {reason}", f"{near}allowed: {key.allowed}", raw)


def _is_valid(key: Key, raw: str) -> bool:
    """Whether a value may be proposed: what is taken up is not to be refused again."""
    try:
        RunnerSpec.model_validate(key.read(raw))
    except (Misspelt, ValidationError):
        return False
    return True


def _bound(wrong: ValidationError) -> str:
    first = wrong.errors()[0]
    where = f"its {first['loc'][-1]} " if first["loc"] else ""
    return where + first["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _check_places(text: str, fields: dict[str, Any]) -> None:
    regions = fields.get("region", ())
    for zone in fields.get("zone", ()):
        if regions and region_of(zone) not in regions:
            raise _error(
                text,
                "zone",
                f"zone={zone} is not in region={'+'.join(regions)}",
                f"did you mean region={region_of(zone)}? zone= alone is enough",
                zone,
            )


# --- arrays -----------------------------------------------------------------------------------------------------------


def _array_refused(ours: str, others: Sequence[str]) -> LabelError:
    parts = [label for label in others if label.partition("=")[0].lower() in KEYS]
    return LabelError(
        f"label {_show(ours)} stands beside {', '.join(map(_show, others))}: the runner would be registered with all "
        "of them, and any job that asks for some of them could take it",
        hint=f"write one label: runs-on: {'/'.join((ours, *parts))} (or allow arrays in the configuration)",
    )


def _read_array(ours: str, others: Sequence[str]) -> Label:
    claimed = [_COMPANIONS[label.lower()] for label in others if label.lower() in _COMPANIONS]
    parts = [label for label in others if label.lower() not in _COMPANIONS]
    for part in parts:
        if "=" not in part or "/" in part:
            raise _error(
                part, "", "nothing is known by that name", f"beside {WORD}: KEY=VALUE, {', '.join(_COMPANIONS)}"
            )
    label = parse("/".join((ours, *parts)))
    archs = {arch for arch in claimed if arch}
    if not archs:
        return label
    if len(archs) > 1 or (label.spec.arch and set(label.spec.arch) != archs):
        raise _error(ours, "arch", "the labels ask for different architectures", "name one: x64 or arm64")
    return Label(label.scope, label.spec.model_copy(update={"arch": tuple(archs)}))


# --- errors -----------------------------------------------------------------------------------------------------------


def _error(text: str, key: str, what: str, hint: str, value: str = "") -> LabelError:
    shown = what.replace(value, _cut(value)) if len(value) > SHOWN else what
    return LabelError(f"label {_show(text)}: {shown}", key=key if key in KEYS else _cut(key), hint=hint)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _show(text: str) -> str:
    return ascii(_cut(text))


def _near_key(name: str, equals: str) -> str:
    if equals:
        return _near(name, KEYS)
    owner = next((owner for owner, key in KEYS.items() if name in key.words), None)
    return f"did you mean {owner}={name}? " if owner else f"{_near(name, KEYS)}every part is KEY=VALUE; "


def _near(word: str, known: Collection[str]) -> str:
    near = nearest(word.lower(), known)
    return f"did you mean {near}? " if near else ""
