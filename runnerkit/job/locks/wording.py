"""Which texts of a bundle can be shown and read without harm: words on one line, YAML without tricks."""

from __future__ import annotations

import yaml

from runnerkit.job.pipeline import Loader

LONGEST = 300  # characters of a branch, a run, a job
MOST_ALIASES = 1000


def is_word(text: str) -> bool:
    """Whether it is one line that a log, a commit message and a terminal can show as it is; or nothing."""
    return len(text) <= LONGEST and (text.isprintable() or not text)


def is_plain(text: str) -> bool:
    """Whether YAML means about as much as it has letters: a few merges of merges would fill any memory.

    DVC writes an alias now and then, but never a merge. What is no YAML at all is for others to say.
    """
    if "*" not in text and "<<" not in text:
        return True
    aliases = 0
    try:
        for token in yaml.scan(text, Loader):
            aliases += isinstance(token, yaml.AliasToken)
            if aliases > MOST_ALIASES or (isinstance(token, yaml.ScalarToken) and token.plain and token.value == "<<"):
                return False
    except (yaml.YAMLError, ValueError):
        return True
    return True
