"""What tests of the status page do with browser and document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sandbox.web.browser import Browser

HOSTILE = (
    "<img src=x onerror=document.title='owned'>",
    "<script>document.title='owned'</script>",
    "\u202egpj.exe\u202c \u0645\u0631\u062d\u0628\u0627",
    "w" * 200,
    "javascript:alert(1)",
)


class Sheet:
    """A document that a test may change while it is served."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __call__(self) -> bytes:
        """What is served now."""
        return self.body

    @classmethod
    def of(cls, document: dict[str, Any]) -> Sheet:
        """One that serves this document."""
        return cls(json.dumps(document).encode())


def shown(browser: Browser, address: str) -> Browser:
    """Open the page and wait until it shows something."""
    browser.open(address)
    browser.wait("document.querySelector('#numbers .big') !== null")
    return browser


def rows(browser: Browser, selector: str) -> int:
    """How many elements fit a selector."""
    return int(browser.run("return document.querySelectorAll(arguments[0]).length", selector))


def spoilt(document: dict[str, Any]) -> dict[str, Any]:
    """The same document with hostile words in every text that a stranger may choose."""
    texts = {
        "repo",
        "title",
        "why",
        "hint",
        "name",
        "message",
        "code",
        "runner",
        "what",
        "reason",
        "type",
        "zone",
        "url",
    }

    def spoil(value: Any, key: str, number: int) -> Any:  # noqa: ANN401 - whatever JSON holds
        if isinstance(value, dict):
            return {name: spoil(each, name, number + len(name)) for name, each in value.items()}
        if isinstance(value, list):
            return [spoil(each, key, number + place) for place, each in enumerate(value)]
        return (
            HOSTILE[number % len(HOSTILE)] if isinstance(value, str) and key in texts | {"labels", "served"} else value
        )

    found = spoil(document, "", 0)
    assert isinstance(found, dict)
    return found
