"""Put the release in whose folder this lies into service, on the machine that serves. Python's standard library only.

It stands in ``TO/releases/ID``. The link ``TO/current`` is moved to it, the service is restarted, and has to say within
half a minute that it is this release. Otherwise the link moves back, the release before is restarted, and this fails.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
TO = HERE.parents[1]
CURRENT = TO / "current"
WITHIN = float(os.environ.get("DEPLOY_WITHIN", "30"))
KEPT = 5


def main() -> int:
    """Install; 0 when the service says that it is this release."""
    about = json.loads((HERE / "release.json").read_text(encoding="utf-8"))
    try:
        python = interpreter(HERE / about["needs"])
    except subprocess.CalledProcessError as error:
        print(f"What {about['needs']} names cannot be installed: {error}. Nothing was changed.")
        return 1
    start = HERE / "start"
    start.write_text(f'#!/bin/sh\nexec {python} {HERE / about["start"]} "$@"\n', encoding="utf-8")
    start.chmod(0o755)
    before = CURRENT.resolve() if CURRENT.exists() else None
    if enter(HERE, about):
        tidy()
        print(f"{about['id']} is in service")
        return 0
    print(f"{about['health']} did not say within {WITHIN:.0f} s that {about['id']} is in service")
    if before is not None:
        back = enter(before, about | {"id": before.name})
        print(f"back to {before.name}, which {'is in service again' if back else 'does not answer either'}")
    return 1


def interpreter(needs: Path) -> str:
    """A Python that has what the release needs, pinned to the version: this one, or an environment of its own.

    Raises:
        CalledProcessError: it cannot be made.
    """
    pins = [line.split("==") for line in needs.read_text(encoding="utf-8").splitlines() if line.strip()]
    if all(len(pin) == 2 and installed(pin[0]) == pin[1] for pin in pins):
        return sys.executable
    digest = hashlib.sha256(needs.read_bytes()).hexdigest()[:12]
    place = TO / "environments" / digest
    python = place / "bin/python"
    if not (place / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(needs)], check=True)
        (place / "complete").touch()
    return str(python)


def installed(name: str) -> str:
    """The version that is here; empty without one."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def enter(release: Path, about: dict[str, str]) -> bool:
    """Move the link in one step, restart, and wait for the service to say that it is this release."""
    link = TO / f"current.{os.getpid()}"
    link.symlink_to(release)
    link.replace(CURRENT)
    subprocess.run(["sh", "-c", about["restart"]], check=False)
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        if says(about["health"]) == about["id"]:
            return True
        time.sleep(0.1)
    return False


def says(url: str) -> str:
    """The release that answers; empty while none does."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return str(json.load(answer)["release"])
    except (OSError, ValueError, KeyError):
        return ""


def tidy() -> None:
    """Keep the newest releases only, the one in service always."""
    others = [each for each in (TO / "releases").iterdir() if each != HERE]
    for each in sorted(others, key=lambda each: each.stat().st_mtime)[: -(KEPT - 1)]:
        shutil.rmtree(each, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
