"""A small image from programs of this computer, as a tree, a tarball and what a registry serves. Nothing is fetched."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("dash", "bash", "cat", "id", "env", "sleep", "tail", "touch", "mkdir", "chmod", "rm", "ls", "stat", "pwd")
PRETTY = "A small image of runnerkit's tests"
USERS = "root:x:0:0::/root:/bin/sh\nci:x:1001:1001::/tmp:/bin/sh\n"
# What actions/setup-python's substitute asks.
PYTHON = "#!/bin/sh\necho 3.12.99\n"
OCI = "application/vnd.oci.image"


def make_tarball(folder: Path) -> Path:
    """Make the tree and pack it."""
    tree = folder / "tree"
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "opt/python/bin"):
        (tree / name).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    for name in PROGRAMS:
        _take(Path(str(shutil.which(name))), tree / "bin" / name, tree)
    (tree / "bin" / "sh").symlink_to("dash")
    (tree / "etc" / "os-release").write_text(f'PRETTY_NAME="{PRETTY}"\n')
    (tree / "etc" / "passwd").write_text(USERS)
    python = tree / "opt/python/bin/python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    with tarfile.open(folder / "image.tar", "w") as archive:
        archive.add(tree, ".")
    return folder / "image.tar"


def _take(program: Path, target: Path, tree: Path) -> None:
    """Copy a program and the libraries it is linked to."""
    shutil.copy(program, target)
    linked = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)  # noqa: S607 - as found
    for library in re.findall(r"(/\S+)", linked.stdout):
        place = tree / library.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)


@dataclass(frozen=True)
class Packed:
    """An image as a registry keeps it: the manifest, and blobs by their digests."""

    manifest: bytes
    blobs: dict[str, bytes]


def pack(tarball: Path) -> Packed:
    """Pack one layer. Source: OCI image specification 1.0."""
    plain = tarball.read_bytes()
    layer = gzip.compress(plain, 1, mtime=0)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = _json(
        {
            "architecture": machine,
            "os": "linux",
            "config": {"Env": ["PATH=/opt/python/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": _described(f"{OCI}.config.v1+json", config),
        "layers": [_described(f"{OCI}.layer.v1.tar+gzip", layer)],
    }
    return Packed(_json(manifest), {digest(config): config, digest(layer): layer})


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _described(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
