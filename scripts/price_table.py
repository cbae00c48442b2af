"""Make the shipped table of instance types and on-demand prices, ``runnerkit/ec2/data/instance_types.json``.

Usage: ``python scripts/price_table.py PRICES REGIONS [TARGET]``. PRICES is ``zz_generated.pricing_aws.go`` of
karpenter-provider-aws (us-east-1, generated from AWS's price list; its date is kept), REGIONS is ``data/pricing.json``
of apache-libcloud. The specifications come from the installed moto, whose data are AWS's own DescribeInstanceTypes.
The same sources always give the same bytes.

libcloud's figures are older and mix tenancies here and there, so no price is taken from it, only how much dearer than
us-east-1 a region is: the lowest factor that two sizes of a family agree on, because a dedicated tenancy costs more and
never less. A family without two such sizes has no price there.
"""

import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "runnerkit" / "ec2" / "data" / "instance_types.json"
HOME = "us-east-1"
REGIONS = frozenset({
    "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
    "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-2",
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
})  # fmt: skip
CPU_FAMILIES = (
    "t3 t3a t4g m5 m5a m6i m6a m6g m7i m7i-flex m7a m7g m8i m8i-flex m8a m8g c5 c5a c6i c6a c6g c7i c7i-flex c7a c7g "
    "c8i c8i-flex c8a c8g r5 r5a r6i r6a r6g r7i r7a r7g r8i r8a r8g"
)
ARCHES = {"x86_64": "x64", "arm64": "arm64"}
# The p3 family is still sold but no longer in the data of the region that moto's copy was made from.
P3 = {"p3.2xlarge": (8, 61, 1), "p3.8xlarge": (32, 244, 4), "p3.16xlarge": (64, 488, 8)}
AGREEMENT = 2
HALF, TWICE = 0.5, 2.0


def specifications() -> dict[str, list[Any]]:
    """Type -> [arch, vCPU, RAM GiB, GPU model, GPU count, GPU memory GiB], the last three only for GPU types."""
    packed = files("moto").joinpath("ec2", "resources", "instance_types.json.gz").read_bytes()
    known = {name: specification(facts) for name, facts in json.loads(gzip.decompress(packed)).items() if wanted(facts)}
    return known | {name: ["x64", cpu, ram, "v100", count, 16.0] for name, (cpu, ram, count) in P3.items()}


def wanted(facts: dict[str, Any]) -> bool:
    """NVIDIA types and the general families; bare metal takes minutes to start and is left to those who name it."""
    gpus = facts.get("GpuInfo", {}).get("Gpus", [])
    nvidia = any(gpu["Manufacturer"] == "NVIDIA" for gpu in gpus)
    return (nvidia or facts["InstanceType"].partition(".")[0] in CPU_FAMILIES.split()) and not facts["BareMetal"]


def specification(facts: dict[str, Any]) -> list[Any]:
    """One row of the table."""
    arch = next(ARCHES[name] for name in facts["ProcessorInfo"]["SupportedArchitectures"] if name in ARCHES)
    row = [arch, facts["VCpuInfo"]["DefaultVCpus"], round(facts["MemoryInfo"]["SizeInMiB"] / 1024, 2)]
    for gpu in facts.get("GpuInfo", {}).get("Gpus", [])[:1]:
        count = gpu["Count"] or gpu["LogicalGpuCount"]
        row += [model_name(gpu), count, round(gpu["MemoryInfo"]["SizeInMiB"] / 1024, 1)]
    return row


def model_name(gpu: dict[str, Any]) -> str:
    """``l4`` of ``L4``, ``rtx-pro-4500`` of ``RTX PRO 4500``, ``l4-fraction`` for a part of one (``Count`` is 0)."""
    model = str(gpu["Name"]).lower().replace(" ", "-")
    return model if gpu["Count"] else f"{model}-fraction"


def prices(source: str) -> tuple[str, dict[str, float]]:
    """The date and the dollars an hour of every type in karpenter's table."""
    dated = re.search(r"generated at (\d{4}-\d\d-\d\d)", source)
    figures = re.findall(r'"([a-z0-9-]+\.[a-z0-9-]+)": ([0-9.]+)', source)
    if not dated or not figures:
        sys.exit("the first source is not karpenter's table of prices")
    return dated[1], {name: float(price) for name, price in figures}


def factors(source: dict[str, Any], home: dict[str, float]) -> dict[str, dict[str, float]]:
    """Region -> family -> how many times the price of us-east-1 it asks."""
    votes: dict[tuple[str, str], Counter[float]] = defaultdict(Counter)
    for region, name, factor in ratios(source["compute"]["ec2_linux"], home):
        votes[region, name.partition(".")[0]][round(factor, 3)] += 1
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for (region, family), counted in sorted(votes.items()):
        agreed = [factor for factor, count in counted.items() if count >= AGREEMENT]
        if agreed:
            table[region][family] = min(agreed)
    return table


def ratios(figures: dict[str, dict[str, float]], home: dict[str, float]) -> Iterator[tuple[str, str, float]]:
    """Each (region, type, price there over price at home) for which both are known and which is not absurd."""
    for name, by_region in sorted(figures.items()):
        for region, price in by_region.items():
            if region in REGIONS and home.get(name) and HALF < price / home[name] < TWICE:
                yield region, name, price / home[name]


def main(argv: list[str]) -> None:
    """Write the table."""
    dated, figures = prices(Path(argv[1]).read_text())
    regional = json.loads(Path(argv[2]).read_text())
    rows = {name: [figures.get(name), *row] for name, row in sorted(specifications().items())}
    families = {name.partition(".")[0] for name in rows}
    table = {
        "prices": dated,
        "factors_dated": datetime.fromtimestamp(regional["updated"], UTC).date().isoformat(),
        "columns": ["usd_hour_us_east_1", "arch", "cpu", "ram_gib", "gpu", "gpus", "gpu_gib"],
        "factors": {
            region: {family: factor for family, factor in row.items() if family in families}
            for region, row in factors(regional, figures).items()
        },
        "types": rows,
    }
    target = Path(argv[3]) if len(argv) > len(["script", "prices", "regions"]) else TARGET
    target.write_text(render(table))
    print(f"{target}: {len(rows)} types, prices of {dated}, {len(table['factors'])} further regions")


def render(table: dict[str, Any]) -> str:
    """JSON with one type or region a line, so that a new version is a readable difference."""
    parts = [f"{json.dumps(key)}: {json.dumps(table[key])}" for key in ("prices", "factors_dated", "columns")]
    for key in ("factors", "types"):
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table[key].items())
        parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main(sys.argv)
