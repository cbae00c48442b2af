"""Stores on S3 and in folders: see :mod:`runnerkit.job.stores`.

>>> opened("/tmp/results").address
'/tmp/results'
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.job.stores import Store

__all__ = ["opened", "remote_store"]


def opened(address: str, *, endpoint: str = "", profile: str = "", region: str = "") -> Store:
    """The store at an address; connects nowhere before its first use.

    Args:
        address: ``s3://bucket/prefix``, or a folder.
        endpoint: Of something that speaks S3; AWS's own configuration by default.
        profile: Of AWS's shared configuration.
        region: Of the bucket.

    Raises:
        ConfigError: It is no such address.
    """
    from runnerkit.stores.folder import FolderStore
    from runnerkit.stores.s3 import S3Store

    scheme, separator, rest = address.partition("://")
    if not separator:
        return FolderStore(Path(address).expanduser().absolute())
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        return S3Store(bucket, prefix.strip("/"), endpoint=endpoint, profile=profile, region=region)
    raise ConfigError(f"{address!r} is not a store", hint="give s3://BUCKET/PREFIX or a folder")


def remote_store(url: str, options: Mapping[str, str], name: str = "runnerkit") -> Store:
    """The store beside a DVC remote: with the remote's own endpoint and profile, under a prefix DVC never looks at.

    Args:
        url: The remote's, as DVC's configuration says it.
        options: The remote's other settings: ``endpointurl``, ``profile``, ``region``.
        name: The prefix below the remote; empty for the remote itself.

    Raises:
        ConfigError: The remote is neither on S3 nor a folder.
    """
    scheme, separator, _ = url.partition("://")
    if not url or (separator and scheme != "s3"):
        raise ConfigError(
            f"beside the DVC remote {url!r} nothing of ours can be kept: it is neither on S3 nor a folder",
            hint="say where with --store s3://BUCKET/PREFIX or a folder",
        )
    found = {ours: options.get(theirs, "") for ours, theirs in _OPTIONS.items()}
    remote = opened(url, **found)
    return remote.below(name) if name else remote


_OPTIONS = {"endpoint": "endpointurl", "profile": "profile", "region": "region"}
