"""Where GitHub is and what is there: checked addresses and repository names."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from runnerkit.errors import ConfigError

# Enterprise-managed users carry an underscore in their names.
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", re.ASCII)


def repository(text: str) -> str:
    """The repository's ``owner/name``, unchanged.

    Raises:
        ConfigError: It is not of that form.
    """
    if _REPOSITORY.fullmatch(text):
        return text
    raise ConfigError(
        f"{text!r} is not a repository name",
        hint="write owner/name, for example octo-org/train, without a host and without .git",
    )


def served(text: str) -> str:
    """What is served, unchanged: a repository's ``owner/name``, or ``owner/*`` for all of an owner's.

    Raises:
        ConfigError: It is of neither form.
    """
    if text.endswith("/*"):
        account(text.removesuffix("/*"))
        return text
    return repository(text)


def account(text: str) -> str:
    """The name of an organisation or a user, unchanged.

    Raises:
        ConfigError: It cannot be one.
    """
    if _ACCOUNT.fullmatch(text):
        return text
    raise ConfigError(f"{text!r} is not the name of an organisation or a user", hint="write the part before the slash")


def owner(repo: str) -> str:
    """``octo-org`` of ``octo-org/train``."""
    return repo.partition("/")[0]


def is_account(repo: str) -> bool:
    """Whether it names an owner alone, without one of its repositories."""
    return "/" not in repo


def name(repo: str) -> str:
    """``train`` of ``octo-org/train``."""
    return repo.partition("/")[2]


def base_url(text: str) -> str:
    """The address below which the REST API lies, without a slash at its end.

    Raises:
        ConfigError: It cannot be one, or a token would travel there unencrypted.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url(text, str(error)) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise _bad_url(text, "it needs a scheme (https) and a host")
    if not text.isprintable() or " " in text:
        raise _bad_url(text, "it holds spaces or control characters")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _bad_url(text.rpartition("@")[2], "it must hold neither credentials, nor a query, nor a fragment")
    if parts.scheme == "http" and not _near(host):
        raise _bad_url(text, "over plain http anybody on the way could read the token")
    if host in {"github.com", "www.github.com"}:
        raise _bad_url(text, "that is the website, not the API")
    return text.rstrip("/")


def _near(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _bad_url(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"github.api_url {text!r} cannot be used: {why}",
        hint="https://api.github.com for github.com, https://HOST/api/v3 for GitHub Enterprise Server",
    )
