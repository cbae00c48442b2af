"""A step in the job's container: its script and command files are put where the container sees them, as GitHub does."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .container import Paths
from .containing import KNOWN
from .engine import Engine, EngineFailed
from .workflow import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

# GitHub's names for the files behind these variables.
COMMANDS = {
    "GITHUB_ENV": "set_env",
    "GITHUB_PATH": "add_path",
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_STATE": "save_state",
    "GITHUB_STEP_SUMMARY": "step_summary",
}
NOT_RUN = 126
# The container has its own of these, or none.
OUTSIDE = {"PATH", "HOME", "DOCKER_HOST", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "RUNNERKIT_STANDIN_SUBSTITUTE"}


class Inside:
    """What a step needs to know of the job's container."""

    def __init__(self, told: dict[str, Any], state: Path) -> None:
        self._told = told
        self._state = state
        self._temp = Path(told["temp"])
        self._paths = Paths([(str(outside), str(inside)) for outside, inside in told["paths"]])

    def run(self, arguments: Sequence[str], environ: dict[str, str], added: Sequence[str], folder: str) -> int:
        """Run a step's command line; what it says goes to standard output. Gives its exit status."""
        try:
            known = self._known()
            given = {name: self._paths.inside(value) for name, value in environ.items() if name not in OUTSIDE}
            given["PATH"] = os.pathsep.join([*added, *filter(None, [known["path"]])])
            command = [self._script(each) for each in arguments]
            return self._execute(known["id"], command, given, self._place(folder))
        except (OSError, EngineFailed) as error:
            os.write(1, f"##[error]The step could not be run in the container: {error}\n".encode())
            return NOT_RUN

    def _known(self) -> dict[str, str]:
        try:
            return dict(json.loads((self._state / KNOWN).read_text()))
        except FileNotFoundError as error:
            raise EngineFailed("it was never started") from error

    def _execute(self, container: str, command: list[str], given: dict[str, str], folder: str) -> int:
        files = self._files(given)
        try:
            return Engine(self._told["engine"]).run(container, command, given, folder, 1)
        finally:
            for theirs, ours in files.items():
                with suppress(OSError):
                    with Path(ours).open("ab") as file:
                        file.write(theirs.read_bytes())
                    theirs.unlink()

    def _files(self, given: dict[str, str]) -> dict[Path, str]:
        place = self._temp / "_runner_file_commands"
        place.mkdir(exist_ok=True)
        mark, files = uuid.uuid4(), {}
        for name in COMMANDS.keys() & os.environ.keys():
            file = place / f"{COMMANDS[name]}_{mark}"
            file.touch()
            files[file] = os.environ[name]
            given[name] = self._paths.inside(str(file))
        return files

    def _place(self, folder: str) -> str:
        asked = os.environ.get(FOLDER)
        return os.path.join(self._told["workspace"], asked) if asked else self._paths.inside(folder)  # noqa: PTH118 - a path in the container

    def _script(self, argument: str) -> str:
        """A copy of the script where the container's user can read it, in the place of act's own."""
        real = os.path.realpath(argument) if os.path.isabs(argument) else argument  # noqa: PTH117 - a word, not always a path
        if real == self._paths.inside(real):
            return argument
        copy = self._temp / f"{uuid.uuid4()}{Path(argument).suffix}"
        copy.write_bytes(Path(argument).read_bytes())
        return self._paths.inside(str(copy))
