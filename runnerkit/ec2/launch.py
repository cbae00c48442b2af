"""Starting instances: attempt by attempt, until AWS has given all of them or every pool has said no."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit import tags as words
from runnerkit.ec2.answers import AwsFault, code_of, error_of, verdict_of, was_lost
from runnerkit.ec2.codes import Remedy, is_stale, verdict
from runnerkit.ec2.fleets import Answer, read_answer, refused_call
from runnerkit.ec2.patience import Backoff, pause
from runnerkit.ec2.requests import check_user_data, fleet_request, launchable
from runnerkit.ec2.templates import Templates
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, NoCapacity, RunnerkitError
from runnerkit.model import Breadth
from runnerkit.ports import Batch, BatchOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_ec2.type_defs import CreateFleetRequestTypeDef, CreateFleetResultTypeDef

    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.images import Images
    from runnerkit.ec2.network import Network
    from runnerkit.ec2.patience import Settling
    from runnerkit.ec2.shared_templates import SharedTemplates, Templating
    from runnerkit.model import Attempt, Refusal
    from runnerkit.ports import Clock, Image, Launched, LaunchOrder
    from runnerkit.settings import AwsSettings

_TOLD_CODES = 4
_SETTLE = 2.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What launching works with."""

    settings: AwsSettings
    clients: Clients
    network: Network
    images: Images
    clock: Clock
    settling: Settling
    on_refusal: Callable[[Refusal], None] | None = None


def launch_one(order: LaunchOrder, tools: Tools, attempts: Sequence[Attempt]) -> Launched:
    """Start one instance. Three calls when the first attempt is accepted, one more for each further attempt.

    Raises:
        NoCapacity: Every attempt was refused.
        CloudError: The launch cannot succeed, or its outcome is unknown.
    """
    tags = tags_of(order, tools)
    with Templates(order, tags, tools.clients, tools.network, tools.clock) as templates:
        batch = Launch(order, tags, tools, templates).run(attempts, 1)
    return replace(batch.launched[0], refusals=batch.refusals)


def launch_batch(
    order: BatchOrder, tools: Tools, shared: SharedTemplates, attempts: Sequence[Attempt], count: int
) -> Batch:
    """Start equal instances from a template that all such bursts share: one call for each attempt.

    Raises:
        NoCapacity: Every attempt was refused, and nothing was started.
        CloudError: Nothing was started and nothing can be, or the outcome is unknown.
    """
    tags = tags_of(order, tools)
    return Launch(order, tags, tools, shared.of(order, tags)).run(attempts, count)


def tags_of(order: LaunchOrder | BatchOrder, tools: Tools) -> dict[str, str]:
    """The order's tags and the configured ones; the owner is always ours."""
    return {**tools.settings.tags, **order.tags, words.OWNER: tools.settings.owner}


class Launch:
    """One order on its way."""

    def __init__(
        self, order: LaunchOrder | BatchOrder, tags: Mapping[str, str], tools: Tools, templates: Templating
    ) -> None:
        self._order = order
        self._tools = tools
        self._tags = tags
        self._templates = templates
        self._images: dict[tuple[str, str], Image] = dict(order.images)
        self._refusals: list[Refusal] = []
        self._launched: list[Launched] = []

    def run(self, attempts: Sequence[Attempt], count: int) -> Batch:
        """Try the attempts in order, each for what is still missing.

        Raises:
            NoCapacity: Nothing was started: every attempt was refused.
            CloudError: Nothing was started and nothing can be, or the outcome is unknown.
        """
        check_user_data(self._order.user_data)
        error = self._fill(attempts, count)
        if error is not None and not self._launched:
            raise error
        return Batch(tuple(self._launched), tuple(self._refusals), error)

    def _fill(self, attempts: Sequence[Attempt], count: int) -> RunnerkitError | None:
        try:
            for attempt in attempts:
                missing = count - len(self._launched)
                if missing and not self._is_closed(attempt.region):
                    self._try(attempt, missing)
        except RunnerkitError as error:
            return error
        return None if len(self._launched) >= count else self._no_capacity()

    def _is_closed(self, region: str) -> bool:
        return any(refusal.region == region and refusal.breadth is Breadth.REGION for refusal in self._refusals)

    def _try(self, attempt: Attempt, count: int) -> None:
        answer = self._ask(attempt, count)
        if answer.wrong is not None and is_stale(answer.code):
            answer = self._ask_anew(attempt, count, answer)
        self._note(answer.refusals)
        for launched in answer.launched:
            self._tools.settling.launched(launched.instance_id)
        self._launched += answer.launched
        if not answer.launched and answer.wrong is not None:
            raise answer.wrong

    def _note(self, refusals: Sequence[Refusal]) -> None:
        self._refusals += refusals
        for refusal in refusals:
            if self._tools.on_refusal is not None:
                self._tools.on_refusal(refusal)

    def _ask_anew(self, attempt: Attempt, count: int, answer: Answer) -> Answer:
        """Ask once more when what AWS does not know may only be something that we remember from before."""
        region = attempt.region
        # A security group made a moment ago may not be known everywhere yet.
        pause(self._tools.clock, _SETTLE)
        self._templates.discard(region)
        self._tools.network.forget(region)
        if "AMI" not in answer.code:
            return self._ask(attempt, count)
        fresh = {key: self._tools.images.anew(image) for key, image in self._images.items() if key[0] == region}
        # Another kind of image would need other user data.
        if any(image.baked != self._images[key].baked for key, image in fresh.items()) or all(
            image.id == self._images[key].id for key, image in fresh.items()
        ):
            return answer
        self._images |= fresh
        return self._ask(attempt, count)

    def _ask(self, attempt: Attempt, count: int) -> Answer:
        place = self._templates.place(attempt.region, _by_arch(self._images, attempt))
        pools = launchable(attempt, place)
        if not pools:
            return Answer()
        request = fleet_request(attempt, place, self._order.disk, self._tags, count)
        try:
            response = self._send(attempt, request)
        except AwsFault as fault:
            row = verdict_of(fault)
            if row.breadth is not None:
                return refused_call(fault, row, pools, self._tools.clock.now())
            return Answer(wrong=error_of(fault, self._doing(attempt)), code=code_of(fault))
        return read_answer(response, pools, place, self._tools.clock.now(), self._doing(attempt))

    def _send(self, attempt: Attempt, request: CreateFleetRequestTypeDef) -> CreateFleetResultTypeDef:
        """Make the call under one token, and repeat it under that token while its outcome is unknown."""
        client, backoff = self._tools.clients.ec2_once(attempt.region), Backoff(self._tools.clock)
        request["ClientToken"] = uuid.uuid4().hex
        lost = False
        while True:
            try:
                response = client.create_fleet(**request)
            except AwsFault as fault:
                lost = lost or was_lost(fault)
                if verdict_of(fault).remedy is Remedy.WAIT and backoff.again():
                    continue
                if lost and issubclass(verdict_of(fault).error, CloudThrottled | CloudDenied | CloudUnavailable):
                    raise self._unknown(attempt, fault) from fault
                raise
            if not _only_wait(response) or not backoff.again():
                return response
            # The fleet has answered, and would answer the same again: another try is another call.
            request["ClientToken"], lost = uuid.uuid4().hex, False

    def _unknown(self, attempt: Attempt, fault: Exception) -> RunnerkitError:
        key = words.BATCH if isinstance(self._order, BatchOrder) else words.RUNNER
        return CloudUnavailable(
            f"{self._doing(attempt)}: no answer arrived, so whether an instance started is unknown ({fault})",
            aws_code=code_of(fault),
            hint=f"if it did, it carries the tag {key}={self._order.name}, and the next pass sees it",
        )

    def _doing(self, attempt: Attempt) -> str:
        return f"launching {self._order.name} as {attempt.market} in {attempt.region}"

    def _no_capacity(self) -> NoCapacity:
        counted = Counter(refusal.code for refusal in self._refusals)
        codes = ", ".join(f"{code} ({count})" for code, count in counted.most_common(_TOLD_CODES))
        hints = dict.fromkeys(verdict(refusal.code, in_fleet=True).hint for refusal in self._refusals)
        return NoCapacity(
            f"every offering for {self._order.name} was refused: {codes or 'there was none to try'}",
            refusals=self._refusals,
            hint="; ".join(hint for hint in hints if hint)
            or "wait some minutes, or widen the wish: more GPU models, zones, regions, or spot=prefer",
        )


def _by_arch(images: Mapping[tuple[str, str], Image], attempt: Attempt) -> dict[str, Image]:
    """The region's images, that of the cheapest pool first: the template is made from it."""
    there = {arch: image for (region, arch), image in images.items() if region == attempt.region}
    arches = dict.fromkeys((*(pool.type.arch for pool in attempt.offerings), *there))
    return {arch: there[arch] for arch in arches if arch in there}


def _only_wait(response: CreateFleetResultTypeDef) -> bool:
    errors = response.get("Errors", [])
    rows = [verdict(e.get("ErrorCode", ""), e.get("ErrorMessage", ""), in_fleet=True) for e in errors]
    return not response.get("Instances") and bool(rows) and all(row.remedy is Remedy.WAIT for row in rows)
