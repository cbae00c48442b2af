"""From the address of a git remote to a repository on GitHub. Pure; what is secret in an address is dropped here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from runnerkit.beginning.words import Address
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GITHUB = "github.com"
HINT = "give --repo OWNER/NAME"
# GitHub's own bounds; an account of an enterprise has an underscore, and a repository is not named like a folder.
REPO = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}))/((?!\.{1,2}$)[A-Za-z0-9._-]{1,100})")
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252})(?::[0-9]{1,5})?")
# user@host:path, as ssh has it; a path of Windows or a folder has no such host.
SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[^/:\s]{2,}):(?!//)(?P<path>.+)")
SCHEMES = frozenset({"https", "http", "ssh", "git", "git+ssh", "git+https"})
LOCAL = frozenset({"localhost", "127.0.0.1"})
# Others than GitHub, at their own names or at any name below.
OTHERS = (
    "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com", "visualstudio.com", "amazonaws.com", "gitea.com",
    "huggingface.co", "hf.co", "git.sr.ht", "googlesource.com", "dagshub.com",
)  # fmt: skip
# The order in which people name the remote that counts.
FIRST = ("origin", "upstream", "github")


def repository(text: str) -> str:
    """``OWNER/NAME`` as a person gives it.

    Raises:
        ConfigError: It is no such name.
    """
    if not REPO.fullmatch(text):
        raise ConfigError(f"{text!r} is not a repository", hint="a repository is OWNER/NAME, such as acme/widgets")
    return text


def address(url: str, remote: str = "") -> Address | None:
    """The repository behind a remote's address; None when it is not one of GitHub's."""
    parts = _parts(url)
    if parts is None:
        return None
    scheme, host, path = parts
    name = REPO.fullmatch(path.strip("/").removesuffix(".git"))
    if name is None or not HOST.fullmatch(host) or _is_other(host.partition(":")[0]):
        return None
    host = _settled(host, scheme)
    return Address(name[0], host, api_url(host, scheme), remote)


def _parts(url: str) -> tuple[str, str, str] | None:
    if not url.isprintable():
        return None
    if "://" not in url:
        short = SCP.fullmatch(url)
        return ("ssh", short["host"].lower(), unquote(short["path"])) if short else None
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    host = split.hostname or ""
    web = split.scheme.endswith(("http", "https"))
    # The port of ssh says nothing about the web.
    known = split.scheme in SCHEMES and host
    return (split.scheme, f"{host}:{port}" if port and web else host, unquote(split.path)) if known else None


def _is_other(host: str) -> bool:
    return any(host == other or host.endswith(f".{other}") for other in OTHERS)


def _settled(host: str, scheme: str) -> str:
    """GitHub's other names: ssh over port 443, and what people call it in ssh's configuration for a second account."""
    alias = scheme == "ssh" and host.startswith(f"{GITHUB}-")
    return GITHUB if host in {f"ssh.{GITHUB}", f"www.{GITHUB}", f"{GITHUB}:443"} or alias else host


def api_url(host: str, scheme: str = "https") -> str:
    """Where the REST API of a host is; empty for github.com and for a server on this computer.

    Source: GitHub's documentation of Enterprise Server (``/api/v3``) and of data residency (``api.NAME.ghe.com``).
    """
    if host == GITHUB or (scheme.endswith("http") and host.partition(":")[0] in LOCAL):
        return ""
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}/api/v3"


def chosen(remotes: Iterable[tuple[str, str]], given: str = "") -> tuple[Address, tuple[str, ...]]:
    """The repository that is meant, and what should be said about the choice.

    Args:
        remotes: Names and addresses, in git's order.
        given: What a person said; it wins, and the remote with that name tells the host.

    Raises:
        ConfigError: No remote is a repository on GitHub, or several differ and none has a usual name; or what was given
            is no repository's name.
    """
    found = _ordered(each for name, url in remotes if (each := address(url, name)))
    if given:
        wanted = repository(given).lower()
        same = [each for each in found if each.repo.lower() == wanted]
        host = same or found
        kept = Address(given, host[0].host, host[0].api_url, same[0].remote if same else "") if host else Address(given)
        return kept, ()
    if not found:
        raise ConfigError("no remote of this checkout is a repository on GitHub", hint=f"git remote add, or {HINT}")
    others = sorted({each.repo for each in found if each.repo.lower() != found[0].repo.lower()})
    if others and found[0].remote not in FIRST:
        listed = ", ".join(f"{each.remote} ({each.repo})" for each in found)
        raise ConfigError(f"several remotes could be meant: {listed}", hint=HINT)
    note = f"of the remotes, {found[0].remote} was taken; the others are {', '.join(others)}" if others else ""
    return found[0], (note,) if note else ()


def _ordered(found: Iterable[Address]) -> Sequence[Address]:
    return sorted(found, key=lambda each: FIRST.index(each.remote) if each.remote in FIRST else len(FIRST))
