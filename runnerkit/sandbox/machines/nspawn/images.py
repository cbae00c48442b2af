"""What is on the disks of images: layers of files over the machines' system."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit import boot
from runnerkit.sandbox.machines.init import folders
from runnerkit.sandbox.machines.roots import put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WANTS = "etc/systemd/system/sysinit.target.wants"
RUNNER = "opt/runnerkit/runner"
HOSTS, TRUSTED = "etc/hosts", "etc/ssl/certs/ca-certificates.crt"
# As a recipe does: the user, whose the runner is, and the agent compiled.
FINISH = (
    '"$@" && chown -R runner: "/$0" && python3 -m compileall -q /opt/runnerkit/agent.py /opt/runnerkit/runnerkit_agent'
)
USER = ["useradd", "--create-home", "--shell", "/bin/bash", "--uid", "1001", "runner"]


class Images:
    """The layers of every image. Stock ones are the bare system; ours have the agent and a runner, or what was baked.

    Args:
        folder: Where layers are kept.
        base: The machines' system.
        runner: The root of a runner.
        more: Other files of ours, by path.
        authority: A certificate that machines trust, in PEM.
        hosts: Names that machines know, as lines of ``/etc/hosts``.
    """

    def __init__(
        self,
        folder: Path,
        base: Path,
        runner: Path,
        *,
        more: Mapping[str, str],
        authority: bytes,
        hosts: str,
    ) -> None:
        self._folder = folder
        self._runner = runner
        self._more = more
        self._stock = (self._common(base, authority, hosts), base)
        self._snapshots: dict[str, tuple[Path, ...]] = {}

    def layers(self, image_id: str, *, baked: bool) -> tuple[Path, ...]:
        """The folders of an image, the topmost first.

        Raises:
            OSError: A layer cannot be made.
        """
        if image_id in self._snapshots:
            return self._snapshots[image_id]
        return (self._baked(), *self._stock) if baked else self._stock

    def snapshot(self, image_id: str, upper: Path, below: Sequence[Path]) -> None:
        """Keep a machine's disk as it is now, as a new image.

        Raises:
            OSError: There is no room for it.
        """
        layer = self._folder / image_id
        # Of what overlayfs writes into a layer nothing may be lost: deleted files, and folders that hide others.
        done = subprocess.run(  # noqa: S603 - words and paths of our own
            ["cp", "--archive", "--reflink=auto", str(upper), str(layer)],  # noqa: S607 - as installed
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            folders.remove(layer)
            raise OSError(done.stderr.strip().rpartition("\n")[2] or f"cp left with {done.returncode}")
        self._snapshots[image_id] = (layer, *below)

    def _common(self, base: Path, authority: bytes, hosts: str) -> Path:
        """What every machine of this sandbox knows: names, and whom to trust."""
        layer = folders.make(self._folder / "common")
        put(layer, HOSTS, hosts)
        trusted = (base / TRUSTED).read_text(encoding="ascii")
        put(layer, TRUSTED, trusted + authority.decode("ascii"))
        return layer

    def _baked(self) -> Path:
        """The layer of an image that counts as baked without having been: what our recipes put into one."""
        layer = self._folder / "baked"
        if not layer.exists():
            making = self._folder / ".baked"
            for file in boot.agent_files(image=True):
                put(making, file.path, file.text, int(file.mode, 8))
            folders.make(making / WANTS)
            (making / WANTS / "runnerkit-boot.timer").symlink_to("../runnerkit-boot.timer")
            for path, text in self._more.items():
                put(making, path, text)
            shutil.copytree(self._runner, making / RUNNER, symlinks=True)
            self._add_user(making)
            making.chmod(0o755)
            making.rename(layer)
        return layer

    def _add_user(self, layer: Path) -> None:
        """By the system's own program, on the layer's disk, as a recipe would."""
        work, root = folders.make(self._folder / ".work"), folders.make(self._folder / ".root")
        lower = ":".join(str(each) for each in self._stock)
        options = f"lowerdir={lower},upperdir={layer},workdir={work}"
        script = 'mount -t overlay overlay -o "$1" "$2" && shift 2 && "$@"'
        chroot = ["chroot", str(root), "sh", "-c", FINISH, RUNNER, *USER]
        done = subprocess.run(  # noqa: S603 - words and paths of our own
            ["unshare", "--mount", "sh", "-c", script, "sh", options, str(root), *chroot],  # noqa: S607 - as installed
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"the user of the runner cannot be made: {done.stderr.strip()}")


def seen(more: Sequence[Path] = ()) -> list[Path]:
    """What machines see of this computer: its Python, what is installed for it, and our own package."""
    places = [Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parents[3], *more]
    found: list[Path] = []
    for place in places:
        # /usr is the machine's own; its Python is the same where its system is.
        if place != Path("/usr") and not any(place.is_relative_to(other) for other in found):
            found.append(place)
    return found
