"""What the extras of the package bring, and the refusal of what needs one that is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from types import MappingProxyType

from runnerkit.errors import ConfigError

_SANDBOX = ("cryptography", "jinja2", "jwt", "markdown_it", "moto", "nh3", "openapi_core", "werkzeug")
# By the names under which it is imported. What else an extra installs is started, not imported.
EXTRAS = MappingProxyType(
    {
        "sandbox": _SANDBOX,
        "demo": (*_SANDBOX, "dvc", "dvc_s3", "sklearn"),
        "serve": ("waitress", "prometheus_client"),
        "report": ("vl_convert",),
        "promote": ("gto",),
    }
)


def hint(extra: str) -> str:
    """How to get an extra."""
    return f"install runnerkit with its extra: runnerkit[{extra}]"


def has(extra: str) -> bool:
    """Whether all that an extra brings is there."""
    return all(map(_is_installed, EXTRAS[extra]))


def need(extra: str) -> None:
    """Refuse, before anything is started, what needs an extra that is not installed.

    Raises:
        ConfigError: A package is missing; the message names it, the hint the extra.
    """
    for name in EXTRAS[extra]:
        if not _is_installed(name):
            raise ConfigError(f"this needs the package {name}, which is not installed", hint=hint(extra))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a module that was put there by hand may have no spec
        return False
