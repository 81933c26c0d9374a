"""Durations of the demo's assets on the reference machine, from which the first estimates are made.

To measure them again, run the whole demo without interruption, then:

    python -m orchestration.reference .emberline/demo
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, MissingInputError, read_manifests

REFERENCE_FILE = Path(__file__).with_name("static") / "reference_seconds.json"


def reference_seconds() -> Mapping[str, float]:
    """Returns the seconds of each asset on the reference machine."""
    return json.loads(REFERENCE_FILE.read_text())


def measured_seconds(lake: Lake, assets: Sequence[str]) -> dict[str, float]:
    """Returns the duration in seconds of the last run of each asset in a home.

    Raises:
        MissingInputError: an asset has never run in this home.
    """
    manifests = {asset: read_manifests(lake, asset) for asset in assets}
    missing = [asset for asset, own in manifests.items() if not own]
    if missing:
        raise MissingInputError(
            f"{lake.root} lacks {', '.join(missing)}. Run the whole demo in this home first."
        )
    return {asset: seconds(own) for asset, own in manifests.items()}


def seconds(manifests: Sequence[Manifest]) -> float:
    """Returns the duration in seconds of an asset over all its partitions."""
    return round(sum(manifest.seconds for manifest in manifests), 1)


def main(home: str) -> None:
    """Writes the reference durations from a home."""
    from orchestration.definitions import build_definitions
    from orchestration.profile import load_profile

    graph = build_definitions(load_profile("demo"), Path(home)).resolve_asset_graph()
    assets = [key.path[-1] for key in graph.toposorted_asset_keys]
    measured = measured_seconds(Lake(str(Path(home).absolute())), assets)
    REFERENCE_FILE.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
