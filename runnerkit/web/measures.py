"""What is measured: one row for each metric, from which the metrics are made and the page about them is written.

Labels have few values: codes, phases, repositories, never jobs or machines.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
QUEUE_BUCKETS = (5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1800.0, 3600.0)
PASS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric: its name (counters get ``_total``), kind, labels, and what it means."""

    name: str
    kind: str
    means: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


MEASURES: dict[str, Measure] = {
    measure.name.removeprefix("runnerkit_"): measure
    for measure in (
        Measure(
            "runnerkit_job_queue_seconds",
            HISTOGRAM,
            "how long jobs were queued until a runner took them",
            ("repo",),
            QUEUE_BUCKETS,
        ),
        Measure(
            "runnerkit_job_queue_quantile_seconds",
            GAUGE,
            "the same over the jobs of the last hour (at most 1,000): half, 90 % and 99 % of them waited no longer",
            ("quantile",),
        ),
        Measure("runnerkit_jobs_over", COUNTER, "jobs of ours that are over", ("repo", "conclusion")),
        Measure("runnerkit_jobs_queued", GAUGE, "queued jobs that were understood and allowed, in the last pass"),
        Measure("runnerkit_jobs_waiting", GAUGE, "those among them for which nothing was launched, for some reason"),
        Measure("runnerkit_jobs_refused", GAUGE, "queued jobs that asked for us and get no machine"),
        Measure("runnerkit_machines", GAUGE, "machines by phase", ("phase",)),
        Measure("runnerkit_launches", COUNTER, "machines launched", ("repo", "region", "market", "family")),
        Measure("runnerkit_launch_refusals", COUNTER, "pools that AWS refused", ("code", "market", "region")),
        Measure("runnerkit_launch_failures", COUNTER, "launches that came to nothing", ("code",)),
        Measure("runnerkit_interruptions", COUNTER, "spot machines that AWS took back", ("repo", "family")),
        Measure("runnerkit_reruns", COUNTER, "runs that were repeated because of that", ("repo",)),
        Measure("runnerkit_dollars_per_hour", GAUGE, "what the live machines cost an hour, as far as prices are known"),
        Measure(
            "runnerkit_dollars_today", GAUGE, "what was spent since midnight UTC, as far as prices are known", ("repo",)
        ),
        Measure("runnerkit_github_calls_left", GAUGE, "what GitHub's hourly limit still allows; NaN before it is told"),
        Measure("runnerkit_webhooks", COUNTER, "webhooks by what became of them", ("event", "outcome")),
        Measure("runnerkit_redeliveries", COUNTER, "webhooks that GitHub was asked to send again"),
        Measure("runnerkit_actions_failed", COUNTER, "single actions that failed", ("action", "code")),
        Measure("runnerkit_pass_seconds", HISTOGRAM, "how long passes took", (), PASS_BUCKETS),
        Measure(
            "runnerkit_last_pass_timestamp_seconds",
            GAUGE,
            "when the last pass ended, well or not, as Unix time; NaN before the first",
        ),
        Measure("runnerkit_repositories_unread", GAUGE, "repositories that GitHub could not be read about"),
    )
}
