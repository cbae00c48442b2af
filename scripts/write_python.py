"""Write ``docs/python.md``: all that ``import runnerkit`` offers, with signatures and docstrings, from the code.

Usage: ``python scripts/write_python.py [--check]``. With ``--check`` nothing is written, and the exit code is 1 when
the page is not what the code says.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args

from draw_phases import DOCS, page, prose, publish, table
from pydantic import BaseModel

import runnerkit
from runnerkit.errors import RunnerkitError

PAGE = DOCS / "python.md"
INTRODUCTION = """\
What `import runnerkit` offers. Everything named here is public and typed, and is imported on first use. The
[README](../README.md#from-python) has an example; `runnerkit.testing` holds fakes and contract suites, and
`runnerkit.sandbox` is [the sandbox](sandbox.md).

Times are seconds, or `datetime` with a zone; money is US dollars. Errors are [a tree](exit-codes.md#errors): whatever
runnerkit raises on purpose is a `RunnerkitError`."""
WIDTH = 100
PLAIN = (str, int, float, tuple, type(None))
# Types are shown without the modules that they come from.
_MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")


def python_page() -> str:
    """The text of ``docs/python.md``."""
    public = {name: getattr(runnerkit, name) for name in runnerkit.__all__ if not name.startswith("__")}
    functions = {name: thing for name, thing in public.items() if inspect.isfunction(thing)}
    classes = {name: thing for name, thing in public.items() if inspect.isclass(thing)}
    errors = {name: thing for name, thing in classes.items() if issubclass(thing, RunnerkitError)}
    others = {name: thing for name, thing in classes.items() if name not in errors}
    return page(
        "Python",
        INTRODUCTION,
        "## Functions",
        *(_function(name, thing, "###") for name, thing in functions.items()),
        "## Classes",
        *(part for name, thing in others.items() for part in _class(name, thing)),
        "## Errors",
        table(("error", "means"), ((f"`{name}`", _brief(thing)) for name, thing in errors.items())),
        script="write_python.py",
    )


def _brief(thing: Any) -> str:  # noqa: ANN401 - whatever is public
    return prose(thing.__doc__).split("\n\n")[0].replace("\n", " ")


def _function(name: str, thing: Any, level: str) -> str:  # noqa: ANN401 - whatever is public
    raised = re.search(r"\nRaises:\n((?: {4}.*\n?)+)", inspect.cleandoc(thing.__doc__ or "") + "\n")
    names = [] if raised is None else re.findall(r"^ {4}(\w+):", raised[1], re.MULTILINE)
    ends = f"\n\nRaises {', '.join(f'`{each}`' for each in names)}." if names else ""
    return f"{level} {name}\n\n```text\n{_signature(name, thing)}\n```\n\n{prose(thing.__doc__)}{ends}"


def _signature(name: str, thing: Any) -> str:  # noqa: ANN401 - whatever is public
    """A signature on one line, or with a line for each parameter when it is long."""
    told = inspect.signature(thing)
    parts = [_parameter(each) for each in told.parameters.values() if each.name not in {"self", "cls"}]
    only = [place for place, each in enumerate(told.parameters.values()) if each.kind is each.KEYWORD_ONLY]
    if only:
        parts.insert(only[0] - (len(told.parameters) - len(parts)), "*")
    end = f") -> {_type(told.return_annotation)}"
    whole = f"{name}({', '.join(parts)}{end}"
    return whole if len(whole) <= WIDTH else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + end


def _parameter(each: inspect.Parameter) -> str:
    kind = "" if each.annotation is each.empty else f": {_type(each.annotation)}"
    if each.default is each.empty:
        return f"{each.name}{kind}"
    # What a default is beyond a plain value (a function, the environment) is told by the text.
    shown = repr(each.default) if isinstance(each.default, PLAIN) else "..."
    return f"{each.name}{kind} = {shown}"


def _type(annotation: Any) -> str:  # noqa: ANN401 - texts and types
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return _MODULES.sub("", text)


def _class(name: str, thing: type) -> Iterator[str]:
    yield f"### {name}\n\n{prose(thing.__doc__)}"
    fields = list(_fields(thing))
    if fields:
        yield table(("field", "type"), fields)
    for method, function in vars(thing).items():
        bare = function.__func__ if isinstance(function, classmethod | staticmethod) else function
        if inspect.isfunction(bare) and not method.startswith("_") and bare.__doc__ and "validator" not in method:
            yield _function(f"{name}.{method}", bare, "####")


def _fields(thing: type) -> Iterator[tuple[str, str]]:
    if issubclass(thing, BaseModel):
        shown: dict[str, Any] = {key: field.annotation for key, field in thing.model_fields.items()}
    elif dataclasses.is_dataclass(thing):
        shown = {field.name: field.type for field in dataclasses.fields(thing)}
    else:
        return
    for key, kind in shown.items():
        told = kind if isinstance(kind, str | type) and not get_args(kind) else str(kind)
        yield f"`{key}`", f"`{_type(told)}`"


if __name__ == "__main__":
    sys.exit(publish({PAGE: python_page()}, sys.argv[1:], (__doc__ or "").splitlines()[0]))
