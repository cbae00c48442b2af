"""Metrics for Prometheus, fed by the events and by each pass."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from datetime import timedelta
from math import ceil, nan
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from runnerkit import events
from runnerkit.errors import RunnerkitError
from runnerkit.phases import Phase
from runnerkit.web.measures import COUNTER, HISTOGRAM, MEASURES, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.events import Event
    from runnerkit.passes import MachineStatus, Pass
    from runnerkit.ports import Clock

QUANTILES = (0.5, 0.9, 0.99)
RECENT = timedelta(hours=1)
MOST_RECENT = 1_000
KNOWN_EVENTS = frozenset({"ping", "workflow_job", "workflow_run"})


class Metrics:
    """Counts what happens. The port :class:`runnerkit.ports.Events`.

    Args:
        clock: Tells the time.
        calls_left: What GitHub's hourly limit still allows; None when that is not known.

    ``spent`` is asked for the dollars of this day by repository; whoever knows them sets it.
    """

    def __init__(self, clock: Clock, calls_left: Callable[[], int | None] = lambda: None) -> None:
        self._clock = clock
        self.spent: Callable[[], Mapping[str, float]] = dict
        self._lock = threading.Lock()
        self._waits: deque[tuple[Any, float]] = deque(maxlen=MOST_RECENT)
        self._unread: set[str] = set()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._all: dict[str, Any] = {key: _made(measure, self._registry) for key, measure in MEASURES.items()}
        # Zero would be in 1970, and every alarm about old passes would ring at each start.
        self._all["last_pass_timestamp_seconds"].set(nan)
        self._billed: set[str] = set()
        self._all["github_calls_left"].set_function(lambda: _number(calls_left()))
        for quantile in QUANTILES:
            child = self._all["job_queue_quantile_seconds"].labels(f"{quantile:g}")
            child.set_function(lambda share=quantile: self._quantile(share))

    def emit(self, event: Event) -> None:
        """Count an event."""
        count = _COUNTED.get(type(event))
        if count is not None:
            name, labels = count(event)
            self._child(name, labels).inc()
        match event:
            case events.JobTaken():
                self._child("job_queue_seconds", {"repo": event.repo}).observe(event.seconds)
                with self._lock:
                    self._waits.append((self._clock.now(), event.seconds))
            case events.RepositorySkipped():
                self._unread.add(event.repo)
            case events.DeliveriesRepeated():
                self._all["redeliveries"].inc(event.asked)
            case events.ActionFailed(action="pass"):
                # A pass that failed is a pass, as it is for /healthz; how often they fail has its own counter.
                self._all["last_pass_timestamp_seconds"].set(self._clock.now().timestamp())
            case events.PassEnded():
                self._ended(event)

    def _ended(self, event: events.PassEnded) -> None:
        self._all["pass_seconds"].observe(event.seconds)
        self._all["last_pass_timestamp_seconds"].set(self._clock.now().timestamp())
        self._all["repositories_unread"].set(len(self._unread))
        self._unread.clear()

    def answered(self, event: str, outcome: str) -> None:
        """Count a webhook; strangers choose the event's name, so only those we know are told apart."""
        known = event if event in KNOWN_EVENTS else "other"
        self._child("webhooks", {"event": known, "outcome": outcome}).inc()

    def passed(self, done: Pass, machines: Iterable[MachineStatus]) -> None:
        """Take over what a pass saw."""
        self._all["jobs_queued"].set(len(done.demand))
        self._all["jobs_waiting"].set(len(done.plan.waiting))
        self._all["jobs_refused"].set(len(done.refused))
        phases = [machine.phase for machine in machines]
        for phase in Phase:
            if phase is not Phase.ENDED:
                self._child("machines", {"phase": str(phase)}).set(phases.count(phase))
        live = [instance.price or 0.0 for instance in done.observed.instances if instance.live]
        self._all["dollars_per_hour"].set(sum(live))

    def render(self) -> bytes:
        """All of it in Prometheus's text format."""
        # A journal that cannot be read leaves the last amounts.
        with suppress(RunnerkitError):
            self._bill({repo.lower(): dollars for repo, dollars in self.spent().items()})
        return generate_latest(self._registry)

    def _bill(self, spent: Mapping[str, float]) -> None:
        with self._lock:
            for repo, dollars in spent.items():
                self._child("dollars_today", {"repo": repo}).set(dollars)
            # Not emptied first: somebody may be reading just now.
            for repo in self._billed - set(spent):
                self._all["dollars_today"].remove(repo)
            self._billed = set(spent)

    def _child(self, name: str, labels: Mapping[str, str]) -> Any:  # noqa: ANN401 - one of the library's metrics
        # GitHub's names do not differ by case alone: one repository is one series, whoever wrote it how.
        small = {label: value.lower() if label == "repo" else value for label, value in labels.items()}
        return self._all[name].labels(**small) if small else self._all[name]

    def _quantile(self, share: float) -> float:
        oldest = self._clock.now() - RECENT
        with self._lock:
            waits = sorted(seconds for at, seconds in self._waits if at >= oldest)
        return waits[ceil(share * len(waits)) - 1] if waits else nan


def _made(measure: Measure, registry: CollectorRegistry) -> Any:  # noqa: ANN401 - one of the library's metrics
    if measure.kind == HISTOGRAM:
        return Histogram(measure.name, measure.means, measure.labels, registry=registry, buckets=measure.buckets)
    kind = Counter if measure.kind == COUNTER else Gauge
    return kind(measure.name, measure.means, measure.labels, registry=registry)


def _number(value: int | None) -> float:
    return nan if value is None else value


def _family(type_: str) -> str:
    return type_.partition(".")[0]


_COUNTED: dict[type[Event], Callable[[Any], tuple[str, dict[str, str]]]] = {
    events.InstanceLaunched: lambda e: (
        "launches",
        {"repo": e.repo, "region": e.region, "market": e.market, "family": _family(e.type)},
    ),
    events.OfferingRefused: lambda e: (
        "launch_refusals",
        {"code": e.refusal.code, "market": str(e.refusal.market), "region": e.refusal.region},
    ),
    events.LaunchFailed: lambda e: ("launch_failures", {"code": e.error.code}),
    events.InstanceInterrupted: lambda e: ("interruptions", {"repo": e.repo, "family": _family(e.type)}),
    events.RunRepeated: lambda e: ("reruns", {"repo": e.repo}),
    events.JobOver: lambda e: ("jobs_over", {"repo": e.repo, "conclusion": e.conclusion}),
    events.ActionFailed: lambda e: ("actions_failed", {"action": e.action, "code": e.error.code}),
}
