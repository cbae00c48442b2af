"""``publish``: files of a job to where people open them."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, echo, ending_well, order, print_json
from runnerkit.cli.summaries import append_to_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.stores import Store
    from runnerkit.job.uploading import Item, Uploaded


def publish(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; a folder that comes alone is the root.")
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="s3://BUCKET/PREFIX or a folder; reports/RUN beside the DVC remote by default.")
    ] = "",
    base_url: Annotated[
        str, typer.Option("--base-url", metavar="URL", help="Where your own site serves what is in --to.")
    ] = "",
    presign: Annotated[
        str, typer.Option("--presign", metavar="TIME", help="Print an address that anybody can open for 30m, 12h, 7d.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be published; publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a report or other files on S3 or in a folder, and print the link to it.

    The link lasts and asks for the reader's own sign-in: the page of S3's console, or one of your own site. It is in
    the step summary and the output `url`, too. A failed upload fails the command; index.html comes last.
    """
    from runnerkit.job.uploading import gathered, index_of, uploaded

    signed, done = "", None
    with ending_well(as_json=as_json):
        span = _span(presign)
        items = gathered(paths or ())
        index = index_of(items, paths or ())
        store = _placed(_store(to))
        url = _url(base_url, store, index.key)
        if span:
            _check_signing(store, span)
        if not dry_run:
            done = uploaded(items, index, store, url)
            signed = _signed(store, index.key, span) if span else ""
            _tell(done)
    if as_json:
        listed = {"keys": [item.key for item in items]} if done is None else {}
        print_json({**_facts(items, index, store, url, done), **listed, "signed_url": signed, "dry_run": dry_run})
    else:
        echo(_sentence(items, store, done) + f"\n{url}" + (f"\n{signed}" if signed else ""))


def _store(to: str) -> Store:
    from runnerkit.job.pipeline import Project
    from runnerkit.stores import opened, remote_store

    if to:
        return opened(to)
    settings = Project.find(Path.cwd()).settings()
    run = os.environ.get("GITHUB_RUN_ID") or f"local-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    return remote_store(settings.remote_url, settings.remote_options).below(f"reports/{run}")


def _url(base: str, store: Store, key: str) -> str:
    from urllib.parse import quote, urlsplit

    from runnerkit.errors import ConfigError

    if not base:
        return store.link(key)
    parts = urlsplit(base)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"--base-url {base!r} is no address of a site", hint="give https://HOST/PATH and no more")
    return f"{base.rstrip('/')}/{quote(key)}"


def _span(text: str) -> timedelta | None:
    from runnerkit.errors import ConfigError

    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = text[:-1], text[-1:]
    if not text:
        return None
    if unit not in units or not number.isascii() or not number.isdigit() or len(number) > 6:  # noqa: PLR2004 - no lives
        raise ConfigError(f"--presign {text!r} is no time", hint="write 30m, 12h or 7d")
    return timedelta(seconds=int(number) * units[unit])


def _check_signing(store: Store, span: timedelta) -> None:
    from runnerkit.errors import ConfigError
    from runnerkit.job.signing import check_presign
    from runnerkit.stores.s3 import S3Store
    from runnerkit.stores.signing import signer

    if not isinstance(store, S3Store):
        raise ConfigError("only S3 has presigned addresses", hint="leave --presign away, or publish to s3://")
    if note := check_presign(span, signer(store), datetime.now(tz=UTC)):
        order(f"::notice::runnerkit: {note}", err=True)


def _signed(store: Store, key: str, span: timedelta) -> str:
    from runnerkit.stores.s3 import S3Store
    from runnerkit.stores.signing import presigned

    return presigned(store, key, span) if isinstance(store, S3Store) else ""


def _placed(store: Store) -> Store:
    """The store in its bucket's own region, where links and signatures hold; warns when the machine is in another."""
    from runnerkit.job.notice import machine_facts
    from runnerkit.labels.values import region_of as region
    from runnerkit.stores.signing import in_own_region

    placed, there = in_own_region(store)
    here = region(str(machine_facts(os.environ).get("zone") or ""))
    if here and there and here != there:
        order(
            f"::warning::runnerkit: this machine is in {here}, {store.address} in {there}: "
            f"transfers between regions are slow and cost money; launch with region={there}, or use a bucket here",
            err=True,
        )
    return placed


def _tell(done: Uploaded) -> None:
    """In the step summary, as an output, and in our folder, where ``runnerkit notify`` finds it."""
    from runnerkit.cli.actions import write_values
    from runnerkit.job.document import escaped
    from runnerkit.job.result import folder_for_results

    append_to_summary(f"Published: [{escaped(done.index)}]({done.url}) ({done.files} files)\n")
    write_values({"url": done.url, "address": f"{done.address}/{done.index}"}, os.environ)
    told = {**done.as_dict(), "run": os.environ.get("GITHUB_RUN_ID", ""), "at": time.time()}
    try:
        folder = folder_for_results(Path.cwd() / ".runnerkit")
        (folder / "published.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        order(f"::warning::runnerkit: .runnerkit/published.json could not be written: {error}", err=True)


def _facts(items: Sequence[Item], index: Item, store: Store, url: str, done: Uploaded | None) -> dict[str, object]:
    from runnerkit.job.uploading import Uploaded

    size = sum(item.path.stat().st_size for item in items)
    return dict((done or Uploaded(store.address, index.key, url, len(items), size)).as_dict())


def _sentence(items: Sequence[Item], store: Store, done: Uploaded | None) -> str:
    count = f"{len(items)} file{'' if len(items) == 1 else 's'}"
    if done is None:
        return "\n".join([f"would publish {count} to {store.address}:", *(f"  {item.key}" for item in items)])
    return f"published {count} ({done.size:,} bytes) to {done.address}"
