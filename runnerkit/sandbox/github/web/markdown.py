"""Comments and summaries: GitHub's markdown to HTML that can do no harm."""

import re
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

WORDS = """
a abbr b blockquote br caption code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr
i img input ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table tbody td tfoot th thead tr
tt ul var
"""
TAGS = frozenset(WORDS.split())
ATTRIBUTES = {
    "*": {"align", "title", "dir", "lang"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height"},
    "details": {"open"},
    "input": {"checked"},
    "ol": {"start"},
    **{cell: {"align", "colspan", "rowspan", "valign"} for cell in ("td", "th")},
    **{block: {"class"} for block in ("code", "blockquote", "li")},
}
CLASSES = re.compile(r"language-[\w+-]{1,30}|task|alert (?:note|tip|important|warning|caution)")
TASK = re.compile(r"\[([ xX])\]\s+")
ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*", re.IGNORECASE)
ALIGNED = re.compile(r"text-align:(left|right|center)")


class Markdown:
    """Renders what people and jobs wrote; images load over https, from ``origins`` and from the page's own server."""

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        self._origins = origins
        self._parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self._parser.core.ruler.push("tasks", _tasks)
        self._parser.core.ruler.push("alerts", _alerts)
        self._parser.core.ruler.push("aligned", _align)

    def __call__(self, text: str) -> Markup:
        """Render a text."""
        html = nh3.clean(
            self._parser.render(text),
            tags=set(TAGS),
            attributes=ATTRIBUTES,
            attribute_filter=self._attribute,
            url_schemes={"http", "https", "mailto"},
            set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}},
            link_rel="noopener noreferrer nofollow",
            clean_content_tags={"script", "style", "title", "iframe", "noscript", "template", "xmp", "svg", "math"},
        )
        return Markup(html)  # noqa: S704 - nh3 has just cleaned it

    def _attribute(self, tag: str, name: str, value: str) -> str | None:
        if name == "class":
            return value if CLASSES.fullmatch(value) else None
        if (tag, name) == ("img", "src"):
            return value if self._shows(value) else None
        return value

    def _shows(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        if not parts.scheme and not parts.netloc:
            return True
        return parts.scheme == "https" or f"{parts.scheme}://{parts.netloc}" in self._origins


def _tasks(state: StateCore) -> None:
    for item, first in _openings(state, "list_item_open"):
        task = TASK.match(first.children[0].content) if first.children else None
        if task is None or first.children is None:
            continue
        item.attrSet("class", "task")
        first.children[0].content = first.children[0].content[task.end() :]
        checked = " checked" if task[1] != " " else ""
        box = Token("html_inline", "", 0, content=f'<input type="checkbox" disabled{checked}> ')
        first.children.insert(0, box)


def _alerts(state: StateCore) -> None:
    for quote, first in _openings(state, "blockquote_open"):
        alert = ALERT.fullmatch(first.children[0].content) if first.children else None
        if alert is None or first.children is None:
            continue
        kind = alert[1].lower()
        quote.attrSet("class", f"alert {kind}")
        title = Token("html_inline", "", 0, content=f"<strong>{kind.capitalize()}</strong><br>")
        # The line break behind the marker would be a second one.
        breaks = 2 if len(first.children) > 1 and first.children[1].type == "softbreak" else 1
        first.children[:breaks] = [title]


def _openings(state: StateCore, kind: str) -> list[tuple[Token, Token]]:
    tokens = state.tokens
    places = [place for place, token in enumerate(tokens[:-2]) if token.type == kind]
    found = [(tokens[place], tokens[place + 2]) for place in places if tokens[place + 1].type == "paragraph_open"]
    return [(opening, first) for opening, first in found if first.type == "inline" and first.children]


def _align(state: StateCore) -> None:
    """Say a column's alignment as an attribute; a style would be thrown out."""
    for token in state.tokens:
        style = ALIGNED.fullmatch(str(token.attrGet("style") or ""))
        if style:
            token.attrs.pop("style")
            token.attrSet("align", style[1])
