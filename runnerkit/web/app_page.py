"""The page that a person sees before GitHub is asked to make an App, and after: HTML without scripts."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
_MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="var(--teal)"/>'
    '<path d="M9 11l5 5-5 5M17 21.5h6" fill="none" stroke="var(--on-teal)" stroke-width="2.6"'
    ' stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the page tells: whose App, what it may do and why, where it sends webhooks, and where the form leads."""

    owner: str
    name: str
    work: Sequence[tuple[str, Sequence[str]]]
    hook_url: str
    action: str


def policy(action: str) -> str:
    """What the pages need of the content security policy: their one style, and a form that leads to ``action``."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    origin = "/".join(action.split("/", 3)[:3])
    return f"style-src 'sha256-{digest}'; form-action {origin}"


def question(told: Question, manifest: str, state: str) -> str:
    """The page with the button."""
    work = "".join(
        f"<li><span>{_words(why)}</span><span class=tags>{_tags(what)}</span></li>" for why, what in told.work
    )
    hook = f"<code>{escape(told.hook_url)}</code>" if told.hook_url else "switched off: nothing is sent anywhere"
    action = escape(f"{told.action}?state={state}")
    return _page(
        f"Make a GitHub App for {told.owner}",
        f"<p class=lead>runnerkit signs in to GitHub as this App. It belongs to {escape(told.owner)} alone, is good for"
        " the repositories you choose, and may do this and no more:</p>"
        f"<section class=card><h2>What it may do</h2><ul>{work}</ul></section>"
        f"<section class=card><dl><dt>Name</dt><dd>{escape(told.name)} <span class=lead>(GitHub lets you change it)"
        f"</span></dd><dt>Webhook</dt><dd>{hook}</dd><dt>Private key</dt><dd>comes to this computer, into a file that"
        " only you can read</dd></dl></section>"
        f'<form method=post action="{action}"><input type=hidden name=manifest value="{escape(manifest)}">'
        "<button class=go>Go on at GitHub</button></form>"
        "<p class=small>Nothing is made before you confirm it there.</p>",
    )


def done(owner: str, name: str, link: str) -> str:
    """The page after the App was made."""
    return _page(
        f"{name} is made",
        f"<p class=lead>Its key is on this computer. Now choose the repositories of {escape(owner)} that it serves.</p>"
        f'<p><a class=go href="{escape(link)}">Install it on repositories</a></p>'
        "<p class=small>The terminal goes on by itself when that is done. You can close this page.</p>",
    )


def failed(why: str) -> str:
    """The page after something went wrong."""
    return _page(
        "That did not work", f"<p class=bad>{escape(why)}</p><p class=lead>The terminal says what to do next.</p>"
    )


def _tags(texts: Sequence[str]) -> str:
    return "".join(f"<code>{escape(each)}</code>" for each in texts)


def _words(text: str) -> str:
    """Text in which single backticks mean code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width,'
        f' initial-scale=1"><title>{escape(title)} · runnerkit</title><style>{STYLE}</style></head><body><main>'
        f"<div class=brand>{_MARK}runnerkit</div><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
