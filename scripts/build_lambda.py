"""Build the code of the Lambda function: runnerkit, what it needs, and nothing else, the same bytes each time.

Usage: ``python scripts/build_lambda.py [--out controller.zip] [--config runnerkit.toml] [--from FOLDER]``

Needs ``uv`` (``make lint`` brings it into ``.venv``), which fetches the packages for Lambda's Linux on arm64, pinned by
constraints.txt. With ``--from`` they are taken from a folder where they are installed already, whatever platform they
are for; that is for tests.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PLATFORM, PYTHON = "aarch64-manylinux_2_28", "3.13"
# The image builder's, and the terminal's: the function never comes there.
NOT_NEEDED = {"paramiko", "rich", "typer"}
# Of botocore's 400 services.
SERVICES = {"ec2", "s3", "ssm", "sso", "sso-oidc", "sts"}
OURS_NOT_NEEDED = ("sandbox", "testing", "cli", "job", "pytest_plugin.py", "__main__.py", "ssh.py")
# Lambda takes 250 MB unpacked, and 50 MB packed when it is sent without a bucket.
MOST_UNPACKED, MOST_PACKED = 250 << 20, 50 << 20
DATE = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Build, and tell the size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("controller.zip"), help="the file to write")
    parser.add_argument("--config", type=Path, help="a runnerkit.toml to put beside the code")
    parser.add_argument("--from", dest="folder", type=Path, help="a folder with the packages, for tests")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = told.folder or fetched(Path(scratch))
        unpacked = pack(told.out, [*ours(), *theirs(folder), *settings(told.config)])
    packed = told.out.stat().st_size
    print(f"{told.out}: {packed / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked")
    if unpacked > MOST_UNPACKED:
        print(f"Lambda takes at most {MOST_UNPACKED >> 20} MB", file=sys.stderr)
        return 1
    if packed > MOST_PACKED:
        print("too large to be sent in one piece: upload it to a bucket, as docs/aws.md does")
    return 0


def required() -> list[Requirement]:
    """What our package says it needs, without what the function does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    return [each for each in wanted if _plain(each.name) not in NOT_NEEDED]


def fetched(scratch: Path) -> Path:
    """The packages for Lambda, in a folder."""
    uv = shutil.which("uv", path=str(ROOT / ".venv/bin")) or shutil.which("uv")
    if uv is None:
        sys.exit("uv is needed: install it, for example with `pip install uv`")
    target = scratch / "packages"
    command = [uv, "pip", "install", "--quiet", "--target", str(target), "--python-platform", PLATFORM]
    command += ["--python-version", PYTHON, "--only-binary", ":all:", "--no-compile"]
    command += ["--constraint", str(ROOT / "constraints.txt"), *map(str, required())]
    subprocess.run(command, check=True)
    return target


Content = tuple[str, Path]


def ours() -> Iterator[Content]:
    """Our own package."""
    for path in sorted((ROOT / "runnerkit").rglob("*")):
        inside = path.relative_to(ROOT / "runnerkit")
        if path.is_file() and inside.parts[0] not in OURS_NOT_NEEDED and "__pycache__" not in inside.parts:
            yield f"runnerkit/{inside.as_posix()}", path


def theirs(folder: Path) -> Iterator[Content]:
    """The packages that ours needs, and those that they need."""
    there = {_plain(each.name): each for each in distributions(path=[str(folder)])}
    found: dict[str, Distribution] = {}
    wanted = [(each, each.extras) for each in required()]
    while wanted:
        one, extras = wanted.pop()
        name = _plain(one.name)
        if name in found and not extras:
            continue
        found[name] = there[name]
        for text in there[name].requires or ():
            need = Requirement(text)
            if _plain(need.name) not in NOT_NEEDED and _applies(need, extras):
                wanted.append((need, need.extras))
    for package in found.values():
        for file in package.files or ():
            if _is_wanted(file.as_posix()):
                yield file.as_posix(), Path(str(package.locate_file(file)))


def settings(config: Path | None) -> Iterator[Content]:
    """A person's configuration, under the name that is looked for."""
    if config is not None:
        yield "runnerkit.toml", config


def pack(out: Path, contents: list[Content]) -> int:
    """Write a zip that depends on nothing but its contents; the bytes in it."""
    size = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, path in sorted(dict(contents).items()):
            data = path.read_bytes()
            size += len(data)
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o755 << 16 if name.endswith(".so") else 0o644 << 16
            file.writestr(entry, data)
    return size


def _applies(need: Requirement, extras: set[str]) -> bool:
    # Where a marker asks for the system, it is Lambda's that counts.
    system = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": PYTHON}
    return need.marker is None or any(need.marker.evaluate({**system, "extra": extra}) for extra in ("", *extras))


def _is_wanted(name: str) -> bool:
    if name.startswith("..") or "__pycache__" in name or name.endswith((".pyc", ".pyi")):
        return False
    # Changes from one installation to the next.
    if re.search(r"\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_.*)$", name):
        return False
    service = re.match(r"(?:botocore|boto3)/data/([^/]+)/", name)
    return service is None or service[1] in SERVICES


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
