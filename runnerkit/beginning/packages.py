"""What installs the project's packages, and which Python it wants. Pure."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from runnerkit.beginning.words import Packages

if TYPE_CHECKING:
    from collections.abc import Mapping

# In this order: a lock says more than what it was made from.
MANAGERS = {"uv.lock": "uv", "poetry.lock": "poetry", "requirements.txt": "pip", "pyproject.toml": "project"}
# Libraries that compute on a GPU where there is one; of several the first is told.
GPU_LIBRARIES = ("torch", "tensorflow", "jax", "cupy", "lightning", "transformers", "vllm", "xgboost", "cudf")
# The versions that runnerkit itself runs on.
OLDEST, NEWEST, USUAL = 11, 13, "3.13"
# A version of Python 3 with what stands before it, as PEP 440 and Poetry write bounds.
BOUND = re.compile(r"(===?|~=|!=|<=|>=|<|>|\^|~)?\s*3\.(\d{1,2})(\.\d+)?")
SCRIPTS = ("train.py", "src/train.py", "main.py")


def packages(texts: Mapping[str, str]) -> Packages:
    """What is known of the packages from the files of the project's folder."""
    project = _project(texts.get("pyproject.toml", ""))
    locks = {"uv.lock": "pyproject.toml" in texts, "poetry.lock": "pyproject.toml" in texts}
    files = [name for name in MANAGERS if name in texts and locks.get(name, True)]
    manager = MANAGERS[files[0]] if files else ""
    if manager == "project" and not ("project" in project or _poetry(project)):
        manager, files = "", []
    listed = "\n".join((texts.get("requirements.txt", ""), *map(str, _needs(project))))
    return Packages(
        manager=manager,
        files=tuple(name for name in files if MANAGERS[name] == manager),
        python=_python(texts.get(".python-version", ""), project),
        gpu_library=next((name for name in GPU_LIBRARIES if _names(listed, name)), ""),
        has_dvc=_names(listed, "dvc"),
    )


def script(texts: Mapping[str, str]) -> str:
    """The file that looks as if it trained something; empty when there is none."""
    return next((name for name in SCRIPTS if name in texts), "")


def _project(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _needs(project: dict[str, Any]) -> list[object]:
    own = project.get("project")
    needs = own.get("dependencies") if isinstance(own, dict) else None
    return [*(needs if isinstance(needs, list) else ()), *_named(project)]


def _poetry(project: dict[str, Any]) -> dict[str, Any]:
    tools = project.get("tool")
    poetry = tools.get("poetry") if isinstance(tools, dict) else None
    return poetry if isinstance(poetry, dict) else {}


def _named(project: dict[str, Any]) -> dict[str, Any]:
    """What Poetry's own table needs, Python among it."""
    named = _poetry(project).get("dependencies")
    return named if isinstance(named, dict) else {}


def _names(listed: str, package: str) -> bool:
    """Whether a package, or one whose name begins with it such as ``jax[cuda12]``, is a line of its own."""
    return re.search(rf"^{package}(?![A-Za-z0-9_.-]*[A-Za-z0-9])", listed, re.MULTILINE | re.IGNORECASE) is not None


def _python(version_file: str, project: dict[str, Any]) -> str:
    """The version that is asked for, within those that runnerkit runs on."""
    own = project.get("project")
    required = own.get("requires-python") if isinstance(own, dict) else None
    wanted = version_file.strip() or str(required or _named(project).get("python", ""))
    bounds = [(sign, int(minor), bool(patch)) for sign, minor, patch in BOUND.findall(wanted)]
    if not bounds:
        return USUAL
    # A lower bound is kept to, since packages may be locked for it.
    fitting = (minor for minor in range(OLDEST, NEWEST + 1) if all(_fits(minor, *bound) for bound in bounds))
    return f"3.{next(fitting, min(max(bounds[0][1], OLDEST), NEWEST))}"


def _fits(minor: int, sign: str, wanted: int, patch: bool) -> bool:  # noqa: FBT001 - the parts of a bound, in its order
    """Whether the newest release of ``3.minor`` is within a bound."""
    if sign in {">=", ">", "^"} or (sign == "~=" and not patch):
        return minor >= wanted
    if sign in {"<", "<="}:
        return minor < wanted
    if sign == "!=":
        return patch or minor != wanted
    return minor == wanted
