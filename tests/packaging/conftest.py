"""The package as it is given to people: a source archive, a wheel, and an environment that has the wheel alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PATIENCE = 240


@dataclass(frozen=True)
class Built:
    """What `python -m build` made."""

    sdist: Path
    wheel: Path

    def wheel_files(self) -> dict[str, bytes]:
        """The wheel's files, but for what describes the wheel."""
        with zipfile.ZipFile(self.wheel) as file:
            return {name: file.read(name) for name in file.namelist() if ".dist-info/" not in name}

    def described(self, name: str) -> str:
        """A file that describes the wheel."""
        with zipfile.ZipFile(self.wheel) as file:
            (path,) = (each for each in file.namelist() if each.endswith(f".dist-info/{name}"))
            return file.read(path).decode()

    def unpack(self, folder: Path) -> Path:
        """The source archive's tree."""
        with tarfile.open(self.sdist) as archive:
            archive.extractall(folder, filter="data")
        (tree,) = folder.iterdir()
        return tree


@dataclass(frozen=True)
class Outside:
    """An environment that has runnerkit from the wheel, and everything else from where the tests run."""

    folder: Path
    environment: Mapping[str, str]

    def program(self, name: str) -> str:
        """Where a program of it is."""
        return str(self.folder / "venv" / "bin" / name)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program of it, in a folder far from the checkout."""
        inside = self.program(words[0])
        command = [inside if Path(inside).exists() else words[0], *words[1:]]
        return subprocess.run(
            command,
            cwd=self.folder / "elsewhere",
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )


def build(source: Path, out: Path, *what: str) -> None:
    """Build without an environment of its own, so that nothing is fetched."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *what, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source archive, and the wheel that was made of it."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="session")
def outside(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """The wheel, installed by uv as people do, except that what it needs is taken from here and not from an index."""
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder / "venv", symlinks=True)
    for place in ("elsewhere", "home"):
        (folder / place).mkdir()
    # The line adds a folder to the path; .pth files in it, such as that of an editable installation, are not followed.
    (libraries,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (libraries / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    environment = {
        "PATH": f"{folder}/venv/bin{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_CACHE_DIR": str(folder / "uv"),
        "UV_LINK_MODE": "copy",
    }
    install = [uv(), "pip", "install", "--quiet", "--no-deps", "--offline"]
    install += ["--python", str(folder / "venv" / "bin" / "python"), str(built.wheel)]
    subprocess.run(install, env=environment, check=True, timeout=PATIENCE)
    return Outside(folder, environment)


def uv() -> str:
    """The uv of the environment that the tests run in."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found, "uv is not there; `make lint` brings it"
    return found
