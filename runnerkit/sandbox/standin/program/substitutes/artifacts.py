"""actions/upload-artifact and actions/download-artifact: zip archives at the local GitHub."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import io
import json
import os
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import quote

from .toolkit import Failed, annotate, flag, given, output, place, runtime, say

FORBIDDEN = '":<>|*?\r\n\\/'
PATIENCE = 60.0


def upload() -> None:
    """Upload what the patterns match, below their common folder."""
    name = given("name", "artifact")
    if any(each in name for each in FORBIDDEN):
        raise Failed(f"The artifact name is not valid: {name}. It must not contain any of {FORBIDDEN!r}.")
    files = _matched(given("path").splitlines(), hidden=flag("include-hidden-files"))
    if not files:
        return _nothing(given("if-no-files-found", "warn"))
    top = _top(files)
    data = _zip(files, top)
    told = json.loads(_call("PUT", f"/{quote(name)}", data))
    output("artifact-id", str(told["id"]))
    output("artifact-digest", hashlib.sha256(data).hexdigest())
    repository = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    output("artifact-url", f"{repository}/actions/runs/{os.environ['GITHUB_RUN_ID']}/artifacts/{told['id']}")
    say(f"Artifact {name} has been successfully uploaded! {len(files)} files, {len(data)} bytes, ID {told['id']}")
    return None


def _nothing(what: str) -> None:
    text = f"No files were found with the provided path: {given('path')}. No artifacts will be uploaded."
    if what == "error":
        raise Failed(text)
    if what == "warn":
        annotate("warning", text)
    else:
        say(text)


def _matched(patterns: list[str], *, hidden: bool) -> list[Path]:
    workspace = Path(os.environ["GITHUB_WORKSPACE"])
    found: dict[Path, None] = {}
    for pattern in filter(None, map(str.strip, patterns)):
        base = os.path.normpath(workspace / place(pattern.removeprefix("!")))
        if pattern.startswith("!"):
            found = {each: None for each in found if not _under(each, base)}
        else:
            for each in sorted(glob.glob(base, recursive=True, include_hidden=hidden)):  # noqa: PTH207 - for hidden files
                found |= dict.fromkeys(_files(Path(each), hidden=hidden))
    return list(found)


def _under(path: Path, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(str(each), pattern) for each in (path, *path.parents))


def _files(path: Path, *, hidden: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    below = [each for each in sorted(path.rglob("*")) if each.is_file()]
    return [each for each in below if hidden or not any(p.startswith(".") for p in each.relative_to(path).parts)]


def _top(files: list[Path]) -> Path:
    # One pattern without a wildcard that names a folder or a file: paths are below it; else below what is common.
    return Path(os.path.commonpath([each.parent for each in files] + _roots()))


def _roots() -> list[Path]:
    workspace, roots = Path(os.environ["GITHUB_WORKSPACE"]), []
    for pattern in (line.strip() for line in given("path").splitlines()):
        if pattern and not pattern.startswith("!"):
            fixed = Path(os.path.normpath(workspace / place(pattern)))
            while glob.has_magic(str(fixed)) or not fixed.is_dir():
                fixed = fixed.parent
            roots.append(fixed)
    return roots


def _zip(files: list[Path], top: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(
        packed, "w", zipfile.ZIP_DEFLATED, compresslevel=int(given("compression-level", "6"))
    ) as archive:
        for each in files:
            archive.write(each, each.relative_to(top))
    return packed.getvalue()


def download() -> None:
    """Download one artifact into the folder, or several into a folder each."""
    if given("run-id") and given("run-id") != os.environ["GITHUB_RUN_ID"]:
        raise Failed("The stand-in for actions/download-artifact reads the artifacts of its own run only.")
    folder = Path(os.environ["GITHUB_WORKSPACE"]) / place(given("path", "."))
    name = given("name")
    if name:
        _unpack(name, folder)
    else:
        known = [str(each["name"]) for each in json.loads(_call("GET", ""))["artifacts"]]
        chosen = [each for each in known if fnmatch.fnmatchcase(each, given("pattern", "*"))]
        say(f"Found {len(chosen)} artifacts of {len(known)}")
        for each in chosen:
            _unpack(each, folder if flag("merge-multiple") else folder / each)
    output("download-path", str(folder.resolve()))


def _unpack(name: str, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(_call("GET", f"/{quote(name)}"))) as archive:
        archive.extractall(folder)
        say(f"Artifact {name} was downloaded: {len(archive.namelist())} files")


def _call(method: str, path: str, data: bytes | None = None) -> bytes:
    told = runtime()
    headers = {"Authorization": f"Bearer {told['token']}", "Content-Type": "application/zip"}
    request = urllib.request.Request(told["url"] + path, data, headers, method=method)  # noqa: S310 - the runner's own service
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - as above
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode(errors="replace")
        what = "Artifact not found for name: " + path.removeprefix("/") if error.code == 404 else said  # noqa: PLR2004 - HTTP
        raise Failed(f"{what} (HTTP {error.code} from the service)") from error
    except OSError as error:
        raise Failed(f"The service for artifacts did not answer: {error}") from error
