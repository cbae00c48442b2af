"""Builds a wheel that is a link to the sandbox's own installation; a build backend by PEP 517, run by pip."""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

NAME = "runnerkit"
VERSION = ""
FOLDERS: list[str] = []
PYTHON = (0, 0)


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """Write the wheel and give its name.

    Raises:
        SystemExit: another Python asks than the one that the linked packages are for.
    """
    del config_settings, metadata_directory
    if sys.version_info[:2] != PYTHON:
        wanted, there = (".".join(map(str, each)) for each in (PYTHON, sys.version_info[:2]))
        raise SystemExit(f"the sandbox's runnerkit is for Python {wanted}, this is {there}; use actions/setup-python")
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        # Whole site folders: what was installed there by a link of its own is to be found as well.
        f"{NAME}_sandbox.pth": "".join(f"import site; site.addsitedir({each!r})\n" for each in FOLDERS),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: sandbox\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{NAME} = {NAME}.cli:main\n",
    }
    lines = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{lines}{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)
    return name


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
