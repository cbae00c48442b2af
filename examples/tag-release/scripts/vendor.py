"""Put the API's package into ``api/vendor``: from our index alone, and only if its bytes are the pinned ones.

Usage: ``python scripts/vendor.py [PIN-FILE [FOLDER]]``, by default ``api/package.txt`` and ``api/vendor``.

A package of the same name on another index is never looked at: no other index is asked, and the hash would not fit.
``PACKAGE_INDEX`` is the index's address; ``PACKAGE_USER`` and ``PACKAGE_PASSWORD`` are sent where they are set.
"""

import os
import shutil
import subprocess
import sys


def install(pins: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Install what a file pins into a new folder; whoever calls looks at the exit code."""
    shutil.rmtree(folder, ignore_errors=True)
    elsewhere = {"UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"}
    environ = {name: value for name, value in os.environ.items() if name not in elsewhere} | {
        "UV_INDEX_MODELS_USERNAME": os.environ.get("PACKAGE_USER", ""),
        "UV_INDEX_MODELS_PASSWORD": os.environ.get("PACKAGE_PASSWORD", ""),
    }
    index = ["--default-index", f"models={os.environ['PACKAGE_INDEX']}", "--no-cache", "--no-config"]
    what = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", pins, "--target", folder]
    command = ["uv", "pip", "install", "--python", sys.executable, *index, *what]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def main(pins: str = "api/package.txt", folder: str = "api/vendor") -> int:
    """Install and say how it went."""
    done = install(pins, folder)
    print(done.stderr.strip())
    if done.returncode:
        print(f"::error::What {pins} names cannot be had from the index, or it has other bytes than those pinned.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
