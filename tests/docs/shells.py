"""How the tests of documents run what pages show: in a folder of its own, with nothing of the developer's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.doc_pages import blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.docs.doc_pages import Block

BIN = Path(sys.executable).parent
FOREIGN = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_", "DVC_", "GIT_")
PATIENCE = 180


def of_page(page: str, *languages: str) -> list[Block]:
    """The blocks of one page in these languages."""
    return [block for block in blocks(*languages) if block.page == page]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a newcomer's shell has: our commands on the path, a home of its own, and programs put into ``bin``."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    path = os.pathsep.join([str(folder / "bin"), str(BIN), os.environ["PATH"]])
    # DVC and pip ask nobody on the internet for news; threads for so little arithmetic would only wait for each other.
    quiet = {
        "CI": "true",
        "DVC_NO_ANALYTICS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }
    return clean | quiet | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PATH": path} | more


def put_program(folder: Path, name: str, text: str) -> None:
    """Put a Python program on the path of `environment`."""
    place = folder / "bin" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    place.chmod(0o755)


def shell(script: str, folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as bash would if one typed it, but stop at the first error."""
    bash = shutil.which("bash")
    assert bash is not None
    return _run([bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script], folder, environ)


def python(words: list[str], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run this interpreter."""
    return _run([sys.executable, *words], folder, environ)


def _run(words: list[str], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
