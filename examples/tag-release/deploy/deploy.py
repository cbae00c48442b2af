"""Deploy a release: pack folders of this checkout and have ``install.py`` install them on the target.

Usage: ``python3 deploy/deploy.py --needs REQUIREMENTS --start SCRIPT FOLDER...``. The target is told by variables:

    DEPLOY_VIA      what runs a command there: ``ssh -o StrictHostKeyChecking=yes deploy@serve.example``
                    (``sh -c`` is this computer)
    DEPLOY_TO       the folder there, such as /srv/digits
    DEPLOY_RESTART  the command that restarts the service there: ``sudo systemctl restart digits``
    DEPLOY_HEALTH   where it says, there, that it is well: http://127.0.0.1:8000/health
    DEPLOY_KEY      the private key for ssh, if it needs one that is in no agent
"""

import argparse
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Send the release through one command, and end as it ended."""
    parser = argparse.ArgumentParser(description="Deploy a release.")
    parser.add_argument("--needs", required=True, help="the requirements file, relative to the checkout")
    parser.add_argument("--start", required=True, help="the script that serves, likewise")
    parser.add_argument("folders", nargs="+")
    options = parser.parse_args()
    missing = [name for name in ("DEPLOY_VIA", "DEPLOY_TO", "DEPLOY_HEALTH") if not os.environ.get(name)]
    if missing:
        print(f"::error::No target: the variable {' and '.join(missing)} is not set in the repository's settings.")
        return 2
    names = ("GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT")
    about = {
        "id": "-".join(os.environ.get(name, "0")[:12] for name in names),
        "commit": os.environ.get("GITHUB_SHA", ""),
        "needs": options.needs,
        "start": options.start,
        "health": os.environ["DEPLOY_HEALTH"],
        "restart": os.environ.get("DEPLOY_RESTART") or "true",
    }
    with tempfile.TemporaryDirectory() as folder:
        return send(packed(options.folders, about), about["id"], key(Path(folder)))


def packed(folders: list[str], about: dict[str, str]) -> bytes:
    """The release as an archive, with what installs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for each in folders:
            archive.add(each, filter=lambda found: None if "__pycache__" in found.name else found)
        archive.add(HERE / "install.py", "install.py")
        text = json.dumps(about, indent=2).encode()
        told = tarfile.TarInfo("release.json")
        told.size = len(text)
        archive.addfile(told, io.BytesIO(text))
    return buffer.getvalue()


def key(folder: Path) -> list[str]:
    """The options that make ssh use the key of the environment."""
    secret = os.environ.get("DEPLOY_KEY", "")
    if not secret:
        return []
    file = folder / "key"
    file.touch(mode=0o600)
    file.write_text(secret.strip() + "\n", encoding="utf-8")
    return ["-i", str(file)]


def send(archive: bytes, release: str, options: list[str]) -> int:
    """Unpack and install there; the exit code is that of the installation."""
    place = shlex.quote(f"{os.environ['DEPLOY_TO']}/releases/{release}")
    there = f"mkdir -p {place} && tar -xzf - -C {place} && exec python3 {place}/install.py"
    program, *words = shlex.split(os.environ["DEPLOY_VIA"])
    print(f"{release}: {len(archive)} bytes to {os.environ['DEPLOY_TO']} by {program}", flush=True)
    done = subprocess.run([program, *options, *words, there], input=archive, check=False)
    if done.returncode:
        print(f"::error::The release {release} is not in service.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
