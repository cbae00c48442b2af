"""Publish a wheel, and prove it by installing it from the index: ``python scripts/publish.py WHEEL PIN-FILE``.

Writes the pin, such as ``acme-wine==0.1.0 --hash=sha256:...``. Ends with 0 only when the index gives out these bytes.
A version that is there already with the same bytes is fine, one with other bytes is not: what was released stays what
it is. ``PACKAGE_INDEX`` is where packages are read, ``PACKAGE_UPLOAD`` where they are sent.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vendor import install

ASK = "import acme_wine; print('installed from the index:', acme_wine.__version__, acme_wine.predict([1.0] * 13))"


def pinned(wheel: Path) -> str:
    """Name the wheel's version and bytes as pip and uv read it."""
    name, version = wheel.name.split("-")[:2]
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def upload(wheel: Path) -> bool:
    """Send the wheel; tells whether the index took it, in its words where it did not."""
    environ = os.environ | {
        "UV_PUBLISH_URL": os.environ["PACKAGE_UPLOAD"],
        "UV_PUBLISH_USERNAME": os.environ.get("PACKAGE_USER", ""),
        "UV_PUBLISH_PASSWORD": os.environ.get("PACKAGE_PASSWORD", ""),
    }
    command = ["uv", "publish", "--trusted-publishing", "never", str(wheel)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    # Some indexes answer with a page; its head has said it all.
    print(done.stderr.partition("<!DOCTYPE")[0].strip())
    return done.returncode == 0


def answers(folder: str) -> bool:
    """Whether the installed package loads its model and predicts. It is code: it does not get the password."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PACKAGE_")}
    environ |= {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", ASK], env=environ, check=False).returncode == 0


def main(wheel: Path, pins: Path) -> int:
    """Publish unless these bytes are there, then install from the index and ask."""
    pins.write_text(pinned(wheel) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/package"
        if install(str(pins), place).returncode == 0:
            print(f"{wheel.name} is on the index already, with the same bytes; nothing is uploaded.")
        elif not upload(wheel):
            print(f"::error::{wheel.name} was not published. If it is there with other bytes, raise VERSION.")
            return 1
        else:
            done = install(str(pins), place)
            if done.returncode:
                print(f"::error::The index took {wheel.name} and does not give it out:\n{done.stderr}")
                return 1
        return 0 if answers(place) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
