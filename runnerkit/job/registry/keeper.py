"""Writes a run's record when it starts and when it ends; a registry that cannot be written costs no run."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError
from runnerkit.job.freezing import as_run
from runnerkit.job.registry.record import values
from runnerkit.job.registry.shelf import key_of, result_of
from runnerkit.job.versions import Base, Versions, declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.job.pipeline import Project
    from runnerkit.job.registry.record import Record
    from runnerkit.job.result import Result
    from runnerkit.job.stores import Store


@dataclass(slots=True)
class Keeper:
    """Hears how a run starts and ends, as a listener of :class:`runnerkit.job.running.Pipeline`.

    The first writing goes on beside the pipeline: to connect to S3 takes longer than a small stage.
    """

    record: Record
    store: Store
    project: Project
    say: Callable[[str], None]
    _first: Thread | None = None
    _problem: list[str] = field(default_factory=list)

    def __call__(self, moment: str, result: Result) -> None:
        """Write what is known at a moment."""
        self.record = self.record.told(result, time.time())
        if moment == "start":
            self._first = Thread(target=self._write, args=(self.record,), name="runnerkit-record", daemon=True)
            self._first.start()
            return
        if self._first is not None:
            self._first.join()
        self._read(result)
        self.record = replace(self.record, lock=result.lock)
        if not self._problem:
            self._write(self.record, result)
        if self._problem:
            self.say(f"::warning::runnerkit: this run is not in the registry: {self._problem[0]}")

    def _write(self, record: Record, result: Result | None = None) -> None:
        try:
            if result is not None:
                body = (json.dumps(result.as_dict(), indent=2) + "\n").encode()
                self.store.put(result_of(record.id), body, "application/json")
            self.store.put(key_of(record.id), record.packed(), "application/json")
        except RunnerkitError as error:
            self._problem.append("; ".join(filter(None, (error.message, error.hint))))

    def _read(self, result: Result) -> None:
        """Metrics are those of this run only when its pipeline came to its end."""
        named, nothing = declared(self.project), Base(self.project, "")
        params = Versions.read(named.params, self.project.here, nothing).new
        with suppress(RunnerkitError):  # somebody changed the file meanwhile: then it is as it is
            params |= as_run(self.project, result.overrides, params)
        metrics = values(Versions.read(named.metrics, self.project.here, nothing).new)
        self.record = replace(
            self.record, params=values(params), metrics=metrics if result.outcome == "success" else {}
        )
