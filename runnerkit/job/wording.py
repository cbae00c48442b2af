"""A message as each carrier takes it: SNS, Slack, any webhook. Pure.

Limits are those of https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (a subject is ASCII, begins with a
letter, number or sign, has no line breaks or control characters and fewer than 100 signs; a message has at most
262,144 bytes) and of https://docs.slack.dev/reference/block-kit/blocks (3,000 signs in a section, 150 in a header, 50
blocks; in all about 13,000 signs, as users have found: https://github.com/slackapi/bolt-js/issues/2509).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from runnerkit.job.document import cut
from runnerkit.job.notifying import Moment

if TYPE_CHECKING:
    from runnerkit.job.notifying import Message, Metric

SUBJECT = 99
BODY = 262_144
SECTION = 3_000
HEADER = 150
BLOCKS = 50
SLACK_ALL = 12_000
TEXT = 2_500  # bytes of a free text that go to Slack
ERROR = 600
ICONS = {
    Moment.START: "🏁",
    Moment.SUCCESS: "✅",
    Moment.FAILURE: "❌",
    Moment.INTERRUPTION: "⚡",
    Moment.MESSAGE: "💬",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def subject(message: Message) -> str:
    """The subject of a mail that SNS sends."""
    told = f"{message.title}: {message.where}" if message.where else message.title
    flat = unicodedata.normalize("NFKD", " ".join(told.split()))
    plain = "".join(sign if " " <= sign <= "~" else "" if unicodedata.combining(sign) else "?" for sign in flat)
    plain = " ".join(plain.split()) or "runnerkit"
    return plain if len(plain) <= SUBJECT else f"{plain[: SUBJECT - 3]}..."


def body(message: Message) -> str:
    """The message as plain text, within what SNS takes."""
    where = f": {message.where}" if message.where else ""
    parts = [f"{message.title}{where}", message.text]
    parts.append("\n".join(f"{name + ':':<9}{value}" for name, value in message.facts()))
    parts.append(_trouble(message))
    parts.append("\n".join(_plain(metric) for metric in message.metrics) + _more(message))
    parts.append("\n".join(f"{name + ':':<9}{url}" for name, url in _links(message)))
    text = "\n\n".join(_clean(part) for part in parts if part)
    return cut(text, BODY) or message.title


def _trouble(message: Message) -> str:
    stage = f"stage {message.failed_stage}: " if message.failed_stage else ""
    return f"{stage}{message.error}" + (f"\n{message.hint}" if message.hint else "") if message.error else ""


def _plain(metric: Metric) -> str:
    gate = {True: " [gate: ok]", False: " [gate: FAILS]", None: ""}[metric.holds]
    base = f" (base {metric.base}, {metric.change})" if metric.change else ""
    return f"{metric.name} = {metric.value}{base}{f' {metric.verdict}' if metric.verdict else ''}{gate}"


def _more(message: Message) -> str:
    return f"\nand {message.more_metrics} more" if message.more_metrics else ""


def _links(message: Message) -> list[tuple[str, str]]:
    return [(name, url) for name, url in (("report", message.report), ("run", message.run_url)) if url]


def _clean(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()


def slack(message: Message) -> dict[str, Any]:
    """The message for an incoming webhook of Slack's; its ``text`` is what notifications show.

    Names and texts of others can neither mention anybody nor make a link: ``&``, ``<`` and ``>`` are all that begins
    one. https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    title = f"{ICONS[message.moment]} {_flat(message.title)}"
    where = f"<{_address(message.run_url)}|{_escaped(message.where)}>" if message.run_url else _escaped(message.where)
    facts = "\n".join(f"*{name}* {_escaped(value)}" for name, value in message.facts() if name != "where")
    sections = [where, _escaped(cut(message.text, TEXT)), facts, _quoted(message), _metrics(message)]
    sections.append(" · ".join(f"<{_address(url)}|{name}>" for name, url in _links(message)))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:HEADER], "emoji": True}}
    ]
    room = SLACK_ALL
    for text in (_shortened(section) for section in sections if section):
        if len(text) <= room:
            room -= len(text)
            # Verbatim: what looks like an address, a channel or a name stays what it is.
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}})
    plain = f"{title}: {message.where}" if message.where else title
    return {"text": _shortened(_escaped(plain)), "blocks": blocks[:BLOCKS]}


def _quoted(message: Message) -> str:
    trouble = cut(_trouble(message), ERROR)
    return "\n".join(f"> {_escaped(line)}" for line in trouble.splitlines())


def _metrics(message: Message) -> str:
    if not message.metrics:
        return ""
    return "```\n" + _escaped("\n".join(map(_plain, message.metrics)) + _more(message)).replace("`", "'") + "\n```"


def _escaped(text: str) -> str:
    return _clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _flat(text: str) -> str:
    return " ".join(_clean(text).split())


def _address(url: str) -> str:
    return url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C").replace(" ", "%20")


def _shortened(text: str) -> str:
    """At most a section, cut at a line, with its fence closed again."""
    if len(text) <= SECTION:
        return text
    fence = "\n```" if text.startswith("```") else ""
    kept = text[: SECTION - len(fence) - 2]
    kept = kept[: kept.rfind("\n")] if "\n" in kept[4:] else re.sub(r"&\w*$", "", kept)
    return f"{kept}\n…{fence}"


def webhook(message: Message) -> dict[str, Any]:
    """The message for a webhook of one's own: every field, and the plain text."""
    return {"event": str(message.moment), "subject": subject(message), "body": body(message), **message.as_dict()}
