"""docker/login-action, setup-buildx-action and build-push-action: the container engine of the sandbox does the work."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import tarfile
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import container, engine  # noqa: TID252 - in a runner's root the package has another name
from .toolkit import Failed, annotate, flag, given, mask, output, place, runtime, say

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_ENGINE = (
    "This step needs a container engine, and the stand-in runner was given none. Start the sandbox with"
    " RUNNERKIT_SANDBOX_DOCKER_HOST or DOCKER_HOST naming a local socket, such as podman's"
    " (podman system service --time=0 unix:///path)."
)
PATIENCE = 20.0
DOCKER_HUB = "https://index.docker.io/v1/"
# What changes how fast an image is built, or what is told about it, but not the image.
WITHOUT_EFFECT = ("cache-from", "cache-to", "provenance", "sbom", "platforms", "builder")
UNSUPPORTED = ("secrets", "secret-files", "ssh", "build-contexts", "outputs", "tags-file", "network", "add-hosts")


def login() -> None:
    """Ask the registry whether name and password are right, and keep them as Docker does."""
    registry, user, secret = given("registry", container.DEFAULT_REGISTRY), given("username"), given("password")
    if not user or not secret:
        raise Failed("Username and password required")
    mask(secret)
    try:
        _check(registry, user, secret)
    except (engine.EngineFailed, OSError) as failed:
        raise Failed(f"{registry} does not let {user} in: {failed}") from failed
    kept = _logins()
    kept[_key(registry)] = {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}
    _keep(kept)
    say(f"Login Succeeded: {registry} as {user}")


def _check(registry: str, user: str, secret: str) -> None:
    found = _engine()
    if not registry.startswith(("127.", "localhost:")):
        found.ask("POST", "/auth", {"username": user, "password": secret, "serveraddress": registry})
        return
    # On this computer without encryption: Docker does so by itself, and podman 4 does not whatever it is told.
    signed = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
    request = urllib.request.Request(f"http://{registry}/v2/", headers={"Authorization": signed})
    with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310 - plain HTTP, as built above
        return


def logout() -> None:
    """Forget them again."""
    if flag("logout", default=True):
        registry = given("registry", container.DEFAULT_REGISTRY)
        kept = _logins()
        kept.pop(_key(registry), None)
        _keep(kept)
        say(f"Removing login credentials for {registry}")


def setup() -> None:
    """Make sure that there is an engine; it is the builder."""
    found = _engine().ask("GET", "/version")
    output("name", "sandbox")
    output("driver", "docker")
    say(f"Builds are done by the container engine {found.get('Version', '')}")


def build_and_push() -> None:
    """Build an image, and send it to its registry under each of its names."""
    for name in UNSUPPORTED:
        if given(name):
            raise Failed(f"The stand-in for docker/build-push-action does not know the input {name}.")
    for name in WITHOUT_EFFECT:
        if given(name):
            say(f"The input {name} has no effect here.")
    names = [_tagged(each) for each in _listed(given("tags"))]
    if flag("push") and not names:
        raise Failed("tag is needed when pushing to registry")
    identity = _built(names)
    output("imageid", identity)
    digest = ""
    if flag("push"):
        digest = [_pushed(name) for name in names][-1]
        output("digest", digest)
    output("metadata", json.dumps({"image.name": ",".join(names), "containerimage.digest": digest}))


def _built(names: list[str]) -> str:
    context = Path(os.environ["GITHUB_WORKSPACE"]) / place(given("context", "."))
    file = given("file")
    query: dict[str, Any] = {
        "t": names,
        "dockerfile": os.path.relpath(Path(os.environ["GITHUB_WORKSPACE"]) / file, context) if file else "Dockerfile",
        "buildargs": json.dumps(dict(_pairs("build-args"))),
        "labels": json.dumps(dict(_pairs("labels"))),
        "nocache": str(flag("no-cache")).lower(),
        "pull": str(flag("pull")).lower(),
        "target": given("target"),
    }
    try:
        identity = ""
        for told in _engine().build(_packed(context, query["dockerfile"]), **{k: v for k, v in query.items() if v}):
            say(str(told.get("stream", "")).rstrip("\n"))
            identity = str((told.get("aux") or {}).get("ID") or identity)
    except engine.EngineFailed as failed:
        raise Failed(f"The image cannot be built: {failed}") from failed
    return identity


def _packed(context: Path, file: str) -> bytes:
    if not (context / file).is_file():
        raise Failed(f"failed to read dockerfile: {context / file}: no such file")
    if (context / ".dockerignore").exists():
        annotate("warning", "The stand-in for docker/build-push-action ignores .dockerignore: all files are sent.")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(context, ".", filter=_of_root)
    return packed.getvalue()


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry


def _pushed(name: str) -> str:
    registry, digest = container.registry(name), ""
    try:
        for told in _engine().push(name, _login_at(registry)):
            digest = str((told.get("aux") or {}).get("Digest") or _digest_in(str(told.get("status", ""))) or digest)
    except engine.EngineFailed as failed:
        raise Failed(f"{name} cannot be pushed: {failed}") from failed
    say(f"pushed {name} {digest}")
    return digest


def _digest_in(status: str) -> str:
    words = status.split()
    return next((word for word in words if word.startswith("sha256:")), "") if "digest:" in words else ""


def _login_at(registry: str) -> dict[str, str]:
    known = _logins().get(_key(registry), {}).get("auth", "")
    user, _, secret = base64.b64decode(known).decode().partition(":")
    # An engine wants the header in any case.
    return {"username": user, "password": secret, "serveraddress": registry}


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _listed(text: str) -> list[str]:
    """The values of a list: by lines, or by commas."""
    return [each.strip() for line in csv.reader(text.splitlines()) for each in line if each.strip()]


def _pairs(name: str) -> Iterable[tuple[str, str]]:
    for line in filter(None, map(str.strip, given(name).splitlines())):
        key, _, value = line.partition("=")
        yield key, value


def _engine() -> engine.Engine:
    address = runtime().get("engine")
    if not address:
        raise Failed(NO_ENGINE)
    try:
        return engine.Engine(address)
    except engine.EngineFailed as failed:
        raise Failed(str(failed)) from failed


def _key(registry: str) -> str:
    return DOCKER_HUB if registry == container.DEFAULT_REGISTRY else registry


def _file() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _logins() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(_file().read_text()).get("auths") or {})
    return {}


def _keep(logins: dict[str, Any]) -> None:
    path, told = _file(), {}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError, ValueError):
        told = dict(json.loads(path.read_text()))
    path.touch(mode=0o600)
    path.write_text(json.dumps(told | {"auths": logins}))
