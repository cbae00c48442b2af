"""From the job that the service hands out to the workflow file that act runs. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

PREPARE = "_prepare"
OUTPUTS = "_outputs"
SHELLS = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -e -o pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
    "pwsh": "pwsh -command \". '{0}'\"",
}
SPAN = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
# Either a string literal, which stays, or a name of ours.
NAME = re.compile(r"'(?:[^']|'')*'|(?<![\w.\-'\]])(?:github|runner)\.[a-z_]+(?![\w\-])")


class Refused(Exception):
    """The job cannot be run here; the text is for the job's author."""


@dataclass
class Step:
    """One step as GitHub lists it. ``key`` is its id in act's workflow; the runner's own two steps have none."""

    name: str
    key: str = ""
    condition: str = ""
    timeout: float | None = None
    status: str = "pending"
    conclusion: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    excused: bool = False


@dataclass
class Plan:
    """What is to be run."""

    workflow: dict[str, Any]
    steps: list[Step]
    local_repositories: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """Where a job runs: the entry program of steps, the substitutes, the hooks, and what expressions stand for."""

    entry: str
    substitutes: dict[str, str]
    posts: dict[str, str]
    literals: dict[str, str]
    hooks: dict[str, str]


def plan(payload: dict[str, Any], event: str, setting: Setting) -> Plan:
    """Write the workflow of a job.

    Raises:
        Refused: it uses what cannot be had here.
    """
    given = [dict(each) for each in payload.get("steps", [])]
    _check(payload, given, setting)
    builder = _Builder(payload, setting)
    job: dict[str, Any] = {
        "name": _key(payload),
        "runs-on": "self-hosted",
        "env": builder.spell(_texts(payload.get("env") or {})),
        "steps": builder.build(given),
    }
    workflow: dict[str, Any] = {"name": payload.get("workflow", {}).get("name") or "workflow", "on": {event: {}}}
    return Plan(workflow | {"jobs": {_key(payload): job}}, [Step("Set up job"), *builder.steps, Step("Complete job")])


def _key(payload: dict[str, Any]) -> str:
    return str(payload.get("job", {}).get("key") or "job")


def _check(payload: dict[str, Any], steps: list[dict[str, Any]], setting: Setting) -> None:
    for kind in ("container", "services"):
        if payload.get(kind):
            raise Refused(
                f"This job has `{kind}:`. The stand-in runner runs steps on the machine itself and has no container"
                " engine; run such a job on a real machine."
            )
    for uses in (str(each["uses"]) for each in steps if "uses" in each):
        if uses.startswith("docker://"):
            raise Refused(f"Unable to run {uses}: the stand-in runner has no container engine.")
        if not uses.startswith("./") and uses.partition("@")[0] not in setting.substitutes:
            known = ", ".join(sorted(setting.substitutes))
            raise Refused(
                f"Unable to resolve action {uses}: nothing is downloaded here, and there is no local substitute for"
                f" it. There are substitutes for {known}; actions of the repository itself (./path) work too."
            )


def _texts(mapping: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in mapping.items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


class _Builder:
    """Builds act's steps, and lists those that GitHub would list."""

    def __init__(self, payload: dict[str, Any], setting: Setting) -> None:
        self._payload = payload
        self._setting = setting
        self.steps: list[Step] = []
        defaults = (payload.get("defaults") or {}).get("run") or {}
        self._shell = str(defaults.get("shell") or "")
        self._folder = defaults.get("working-directory")

    def build(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        built = [{"id": PREPARE, "if": "always()", "run": "true", "shell": f"{self._setting.entry} --prepare"}]
        built += self._hook("started", "Set up runner", "")
        mains = [self._step(each, number) for number, each in enumerate(given)]
        posts = [post for each in reversed(mains) if (post := self._post(each))]
        built += mains + posts + self._hook("completed", "Complete runner", "always()")
        return [*built, self._outputs()]

    def _hook(self, which: str, name: str, condition: str) -> list[dict[str, Any]]:
        path = self._setting.hooks.get(which)
        if not path:
            return []
        step = {"name": name, "run": f"exec bash -e {shlex.quote(path)}", "working-directory": "/"}
        return [self._listed(step | ({"if": condition} if condition else {}), f"_{which}")]

    def _step(self, given: dict[str, Any], number: int) -> dict[str, Any]:
        step = {name: value for name, value in given.items() if name not in {"timeout-minutes", "env", "with"}}
        step["id"] = str(given.get("id") or f"_{number}")
        step["name"] = str(given.get("name") or _title(given))
        step["env"] = _texts(given.get("env") or {})
        if "run" in step and self._folder:
            # Not as act's default: that would hold for the steps of our own too.
            step.setdefault("working-directory", self._folder)
        if given.get("with"):
            step["with"] = _texts(given["with"])
        return self._listed(step, step["id"], _minutes(given.get("timeout-minutes")))

    def _post(self, main: dict[str, Any]) -> dict[str, Any] | None:
        program = self._setting.posts.get(str(main.get("uses", "")).partition("@")[0])
        if program is None:
            return None
        inputs = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in main.get("with", {}).items()}
        ran = f"steps.{main['id']}.outcome"
        step = {
            "name": f"Post {main['name']}",
            "run": program,
            "if": f"always() && {ran} != 'skipped' && {ran} != ''",
            "env": inputs,
        }
        return self._listed(step, f"{main['id']}_post")

    def _listed(self, step: dict[str, Any], key: str, timeout: float | None = None) -> dict[str, Any]:
        name = str(step["name"])
        step = self.spell(step) | {"id": key}
        if "if" in step:
            step["if"] = self._condition(step["if"])
        self.steps.append(Step(name, key, str(step.get("if", "")), timeout))
        if "run" in step:
            step["shell"] = f"{self._setting.entry} {_shell(str(step.get('shell') or self._shell))}"
        # Steps of GitHub's list are counted from 1, and "Set up job" is the first.
        step["env"] = {**step.get("env", {}), "RUNNERKIT_STANDIN_STEP": str(len(self.steps) + 1)}
        return step

    def _outputs(self) -> dict[str, Any]:
        asked = _texts(self._payload.get("outputs") or {})
        env = {f"RUNNERKIT_STANDIN_OUTPUT_{name}": value for name, value in self.spell(asked).items()}
        step = {"id": OUTPUTS, "name": OUTPUTS, "if": "always()", "run": "true", "env": env}
        return step | {"shell": f"{self._setting.entry} --outputs"}

    def _condition(self, text: object) -> str:
        bare = _text(text).strip()
        whole = SPAN.fullmatch(bare)
        return self._expression(whole.group(1).strip() if whole and "${{" not in whole.group(1) else bare)

    def spell(self, value: Any) -> Any:  # noqa: ANN401 - a tree of JSON
        """Put the values of names that act does not know, or knows wrongly, into expressions."""
        if isinstance(value, dict):
            return {name: self.spell(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.spell(each) for each in value]
        if isinstance(value, str):
            return SPAN.sub(lambda found: "${{" + self._expression(found.group(1)) + "}}", value)
        return value

    def _expression(self, text: str) -> str:
        return NAME.sub(lambda found: self._literal(found.group()), text)

    def _literal(self, name: str) -> str:
        value = self._setting.literals.get(name)
        return name if value is None else "'" + value.replace("'", "''") + "'"


def _title(step: dict[str, Any]) -> str:
    what = str(step.get("uses") or step.get("run") or "").strip()
    return f"Run {what.splitlines()[0] if what else ''}"


def _shell(name: str) -> str:
    return SHELLS.get(name, name)


def _minutes(value: object) -> float | None:
    try:
        return None if value is None else float(str(value)) * 60
    except ValueError:
        return None
