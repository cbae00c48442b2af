"""``offerings``: what a wish can get."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, configuration, ending_well, print_json
from runnerkit.cli.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.model import InstanceType, Offering, Refusal


def offerings(
    wish: Annotated[str, typer.Argument(help="A runs-on label, or just its keys: gpu=t4/spot=only.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show what a label can get: types, zones, GPU memory, prices, saving, and what was refused lately."""
    from runnerkit import app, labels, specs

    with ending_well(as_json=as_json):
        settings = configuration(config)
        label = labels.parse(wish if labels.is_ours(wish) else f"{labels.WORD}/{wish}" if wish else labels.WORD)
        spec = specs.resolve(label.spec, settings.named(), settings.fallback(), settings.policy)
        chooser = app.chooser(settings)
        found = chooser.fitting(spec)
        refusals = chooser.refusals()
    rows = [_row(type_, pools, refusals) for type_, pools in _by_type(found)]
    if as_json:
        print_json(rows)
    else:
        print_table(COLUMNS, [_cells(row) for row in rows])


def _by_type(found: Iterable[Offering]) -> list[tuple[InstanceType, list[Offering]]]:
    groups: dict[str, list[Offering]] = defaultdict(list)
    for offering in found:
        groups[offering.type.name].append(offering)
    return [(pools[0].type, pools) for pools in groups.values()]


def _row(type_: InstanceType, pools: Sequence[Offering], refusals: Sequence[Refusal]) -> dict[str, Any]:
    from runnerkit.model import Market
    from runnerkit.offerings import speaks_for

    spot = _cheapest(pools, Market.SPOT)
    on_demand = _cheapest(pools, Market.ON_DEMAND)
    refused = sorted({f"{r.code} ({o.market}, {o.zone})" for r in refusals for o in pools if speaks_for(r, o)})
    return {
        "type": type_.name,
        "gpu": type_.gpu.model if type_.gpu else None,
        "gpus": type_.gpu.count if type_.gpu else 0,
        "gpu_memory": type_.gpu.memory if type_.gpu else None,
        "cpu": type_.cpu,
        "ram": type_.ram,
        "arch": type_.arch,
        "zones": sorted({pool.zone for pool in pools}),
        "spot": spot,
        "on_demand": on_demand,
        "saving": 1 - spot / on_demand if spot is not None and on_demand else None,
        "refused": refused,
    }


def _cheapest(pools: Iterable[Offering], market: str) -> float | None:
    return min((pool.price for pool in pools if pool.market == market and pool.price is not None), default=None)


COLUMNS = (
    Column("TYPE"),
    Column("GPU"),
    Column("MEMORY", right=True, spare=3),
    Column("CPU", right=True, spare=4),
    Column("RAM", right=True, spare=4),
    Column("SPOT $/H", right=True),
    Column("ON-DEMAND $/H", right=True),
    Column("SAVING", right=True, spare=1),
    Column("ZONES", spare=2),
    Column("REFUSED LATELY", folds=True),
)


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["type"],
        f"{row['gpus']}x{row['gpu']}" if row["gpu"] else "-",
        f"{row['gpu_memory']:g} GiB" if row["gpu_memory"] else "-",
        str(row["cpu"]),
        f"{row['ram']:g}",
        _money(row["spot"]),
        _money(row["on_demand"]),
        f"{row['saving']:.0%}" if row["saving"] is not None else "-",
        _short(row["zones"]),
        ", ".join(row["refused"]) or "-",
    ]


def _money(price: float | None) -> str:
    return "-" if price is None else f"{price:.4f}"


def _short(zones: Sequence[str]) -> str:
    """``eu-west-1a,b`` for the zones of one region."""
    regions: dict[str, list[str]] = defaultdict(list)
    for zone in zones:
        regions[zone[:-1]].append(zone[-1])
    return " ".join(f"{region}{','.join(letters)}" for region, letters in regions.items())
