"""From the job that the service hands out to the workflow file that act runs. Pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

PREPARE = "_prepare"
OUTPUTS = "_outputs"
# How the container's description reaches the step that starts it: its shape, and each text by its number, since only
# act can put in what secrets and variables stand for.
CONTAINER = "RUNNERKIT_STANDIN_CONTAINER"
LEAF = "RUNNERKIT_STANDIN_TEXT_"
FOLDER = "RUNNERKIT_STANDIN_FOLDER"
SHELLS = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -e -o pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
    "pwsh": "pwsh -command \". '{0}'\"",
}
SPAN = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
# Either a string literal, which stays, or a name of ours.
NAME = re.compile(r"'(?:[^']|'')*'|(?<![\w.\-'\]])(?:github|runner|job)\.[a-z_]+(?![\w\-])")


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
    contained: bool = False


@dataclass(frozen=True)
class Setting:
    """Where a job runs: the entry program of steps, the substitutes, the hooks, and what expressions stand for.

    ``fetched`` are the folders of actions that came from repositories of the service, by ``owner/name@ref``.
    """

    entry: str
    substitutes: dict[str, str]
    posts: dict[str, str]
    literals: dict[str, str]
    hooks: dict[str, str]
    engine: str = ""
    fetched: dict[str, str] = field(default_factory=dict)


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
        "env": builder.spell(texts(payload.get("env") or {})),
        "steps": builder.build(given),
    }
    workflow: dict[str, Any] = {"name": payload.get("workflow", {}).get("name") or "workflow", "on": {event: {}}}
    steps = [Step("Set up job"), *builder.steps, Step("Complete job")]
    return Plan(workflow | {"jobs": {_key(payload): job}}, steps, contained=container(payload) is not None)


def _key(payload: dict[str, Any]) -> str:
    return str(payload.get("job", {}).get("key") or "job")


def _check(payload: dict[str, Any], steps: list[dict[str, Any]], setting: Setting) -> None:
    _check_containers(payload, setting)
    for uses in (str(each["uses"]) for each in steps if "uses" in each):
        if uses.startswith("docker://"):
            raise Refused(f"Unable to run {uses}: the stand-in runner starts no container for a single step.")
        if not uses.startswith("./") and not _known(uses, setting):
            known = ", ".join(sorted(setting.substitutes))
            raise Refused(
                f"Unable to resolve action {uses}: nothing is downloaded here, and there is no local substitute for"
                f" it. There are substitutes for {known}; actions of the repository itself (./path) and of the"
                " sandbox's other repositories work too."
            )


def _known(uses: str, setting: Setting) -> bool:
    path, _, ref = uses.partition("@")
    return path in setting.substitutes or f"{'/'.join(path.split('/')[:2])}@{ref}" in setting.fetched


def _check_containers(payload: dict[str, Any], setting: Setting) -> None:
    if payload.get("services"):
        raise Refused(
            "This job has `services:`. The stand-in runner starts no service containers; run such a job on a real"
            " machine, or start the service in a step."
        )
    if container(payload) is not None and not setting.engine:
        raise Refused(
            "This job has `container:`, and the stand-in runner was given no container engine. Start the sandbox with"
            " RUNNERKIT_SANDBOX_DOCKER_HOST or DOCKER_HOST naming a local socket, such as podman's"
            " (podman system service --time=0 unix:///path); or run such a job on a real machine."
        )


def container(payload: dict[str, Any]) -> dict[str, Any] | None:
    """Give the job's container as a mapping; an empty image is none, as on GitHub."""
    given = payload.get("container")
    found = dict(given) if isinstance(given, dict) else {"image": given}
    return found if found.get("image") else None


def taken_apart(tree: Any, leaves: list[str]) -> Any:  # noqa: ANN401 - a tree of JSON
    """Give a tree with numbers in the place of its texts, which are added to ``leaves``."""
    if isinstance(tree, dict):
        return {name: taken_apart(each, leaves) for name, each in tree.items()}
    if isinstance(tree, list):
        return [taken_apart(each, leaves) for each in tree]
    leaves.append(_text(tree))
    return len(leaves) - 1


def filled(shape: Any, leaves: dict[str, str]) -> Any:  # noqa: ANN401 - as above
    """Put the texts back."""
    if isinstance(shape, dict):
        return {name: filled(each, leaves) for name, each in shape.items()}
    if isinstance(shape, list):
        return [filled(each, leaves) for each in shape]
    return leaves[str(shape)]


def texts(mapping: dict[str, Any]) -> dict[str, str]:
    """Write a mapping's values as GitHub does."""
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
        self._container = container(payload)

    def build(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        built = [{"id": PREPARE, "if": "always()", "run": "true", "shell": f"{self._setting.entry} --prepare"}]
        built += self._hook("started", "Set up runner", "") + self._containers("start", "Initialize containers")
        mains = [self._step(each, number) for number, each in enumerate(given)]
        posts = [post for each in reversed(mains) if (post := self._post(each))]
        built += mains + posts + self._containers("stop", "Stop containers")
        built += self._hook("completed", "Complete runner", "always()")
        return [*built, self._outputs()]

    def _hook(self, which: str, name: str, condition: str) -> list[dict[str, Any]]:
        path = self._setting.hooks.get(which)
        if not path:
            return []
        step = {"name": name, "run": f"exec bash -e {shlex.quote(path)}", "working-directory": "/"}
        return [self._own(step | ({"if": condition} if condition else {}), f"_{which}", SHELLS["bash"])]

    def _containers(self, what: str, name: str) -> list[dict[str, Any]]:
        if self._container is None:
            return []
        step: dict[str, Any] = {"name": name, "run": "true"}
        if what == "start":
            leaves: list[str] = []
            shape = json.dumps(taken_apart(self._container, leaves))
            step["env"] = {CONTAINER: shape, **{f"{LEAF}{number}": text for number, text in enumerate(leaves)}}
        else:
            step["if"] = "always()"
        return [self._own(step, f"_{what}_containers", f"--containers {what}")]

    def _own(self, step: dict[str, Any], key: str, shell: str) -> dict[str, Any]:
        """A step of the runner's own, on the machine whatever the job's container and default shell."""
        return self._listed(step, key) | {"shell": f"{self._setting.entry} {self._outside()}{shell}"}

    def _outside(self) -> str:
        return "" if self._container is None else "--outside "

    def _step(self, given: dict[str, Any], number: int) -> dict[str, Any]:
        step = {name: value for name, value in given.items() if name not in {"timeout-minutes", "env", "with"}}
        step["id"] = str(given.get("id") or f"_{number}")
        step["name"] = str(given.get("name") or _title(given))
        step["env"] = texts(given.get("env") or {})
        if "run" in step and self._folder:
            # Not as act's default: that would hold for the steps of our own too.
            step.setdefault("working-directory", self._folder)
        if self._container is not None and "working-directory" in step:
            # act would look for it on the machine.
            step["env"][FOLDER] = str(step.pop("working-directory"))
        if given.get("with"):
            step["with"] = texts(given["with"])
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
        return self._own(step, f"{main['id']}_post", SHELLS["bash"])

    def _listed(self, step: dict[str, Any], key: str, timeout: float | None = None) -> dict[str, Any]:
        name = str(step["name"])
        step = self.spell(step) | {"id": key}
        if "if" in step:
            step["if"] = self._condition(step["if"])
        self.steps.append(Step(name, key, str(step.get("if", "")), timeout))
        if "run" in step:
            step["shell"] = f"{self._setting.entry} {self._spelled(str(step.get('shell') or self._shell))}"
        # Steps of GitHub's list are counted from 1, and "Set up job" is the first.
        step["env"] = {**step.get("env", {}), "RUNNERKIT_STANDIN_STEP": str(len(self.steps) + 1)}
        return step

    def _spelled(self, shell: str) -> str:
        # In a container it is sh, whatever else there is. Source: the runner's ScriptHandler.
        return SHELLS.get(shell or ("" if self._container is None else "sh"), shell)

    def _outputs(self) -> dict[str, Any]:
        asked = texts(self._payload.get("outputs") or {})
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


def _minutes(value: object) -> float | None:
    try:
        return None if value is None else float(str(value)) * 60
    except ValueError:
        return None
