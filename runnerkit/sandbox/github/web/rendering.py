"""Templates and what they can say."""

from collections.abc import Callable
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from runnerkit.sandbox.github.web import times

KILO = 1024


class Renderer:
    """Makes HTML of views; ``markdown`` renders what people and jobs wrote."""

    def __init__(self, markdown: Callable[[str], Markup], **constants: object) -> None:
        self._environment = Environment(
            loader=PackageLoader("runnerkit.sandbox.github.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"markdown": markdown, "size": size, "short": short}
        self._environment.globals |= {"when": when, "lasted": lasted, "took": times.duration, **constants}

    def __call__(self, template: str, now: datetime, **values: object) -> str:
        """Render a template at the world's time ``now``."""
        return self._environment.get_template(template).render(now=now, now_machine=times.machine(now), **values)


@pass_context
def when(context: Context, moment: datetime | None) -> Markup:
    """Say how long ago a moment is; the script keeps it right while the page is open."""
    if moment is None:
        return Markup("&mdash;")
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        times.machine(moment), times.exact(moment), times.relative(moment, context["now"])
    )


@pass_context
def lasted(context: Context, started: datetime | None, ended: datetime | None) -> Markup:
    """Say how long something took, or has taken up to now."""
    if started is None:
        return Markup()
    said = times.duration(started, ended or context["now"])
    title = f"from {times.exact(started)}" + (f" to {times.exact(ended)}" if ended else "")
    running = Markup("") if ended else Markup(" data-since")
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(times.machine(started), title, running, said)


def size(count: int) -> str:
    """Say how many bytes something has."""
    if count < KILO:
        return f"{count} B"
    if count < KILO * KILO:
        return f"{count / KILO:.1f} KB"
    return f"{count / KILO / KILO:.1f} MB"


def short(text: str, most: int) -> str:
    """Cut a text that is too long for its place."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
