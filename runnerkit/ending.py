"""What somebody asked to end, as actions. What ends by itself is decided in :mod:`runnerkit.plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.actions import Deregister, Retire, Terminate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runnerkit.actions import Action
    from runnerkit.phases import Pair

ASKED = "somebody asked for it"


def ends(
    pairs: Iterable[Pair], names: Sequence[str] | None = None, *, force: bool = False, registrations: bool = False
) -> tuple[Action, ...]:
    """The ends of the machines meant by runner names or instance ids (None: of all).

    Args:
        pairs: What is seen: instances, registrations, or both of one name.
        names: Runner names and instance ids.
        force: Whether a machine ends although GitHub may say that a job is running there.
        registrations: Whether registrations of such names end that have no machine.
    """
    meant = [pair for pair in pairs if _is_meant(pair, names)]
    machines = (end for pair in meant for end in _end(pair, force=force))
    bare = (end for pair in meant for end in _deregister(pair)) if registrations else ()
    return (*machines, *bare)


def _is_meant(pair: Pair, names: Sequence[str] | None) -> bool:
    return names is None or pair.name in names or (pair.instance is not None and pair.instance.id in names)


def _end(pair: Pair, *, force: bool) -> Iterator[Action]:
    instance, runner = pair.instance, pair.runner
    if instance is None or not instance.live:
        return
    if runner is not None and not force:
        yield Retire(pair.name, pair.repo, runner.id, instance.id, instance.region, ASKED)
    else:
        id_ = instance.runner_id
        yield Terminate(pair.name, pair.repo, instance.id, instance.region, ASKED, confirm=not force, runner_id=id_)


def _deregister(pair: Pair) -> Iterator[Action]:
    if pair.instance is None and pair.runner is not None:
        yield Deregister(pair.name, pair.repo, pair.runner.id, ASKED)
