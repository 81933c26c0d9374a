"""How long each asset of the demo takes on the reference machine: where estimates begin, no promise.

Written anew from a home where the whole demo was made without a break:

    python -m orchestration.reference .emberline/demo
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, MissingInputError, read_manifests

REFERENCE_FILE = Path(__file__).with_name("static") / "reference_seconds.json"

UNKNOWN_SECONDS = 5.0
"""Expected of an asset that the reference machine never made."""


def reference_seconds() -> Mapping[str, float]:
    """Returns the seconds of each asset on the reference machine."""
    return json.loads(REFERENCE_FILE.read_text())


def measured_seconds(lake: Lake, assets: Sequence[str]) -> dict[str, float]:
    """Returns how long each asset took the last time that it was made in this home.

    Raises:
        MissingInputError: an asset was never made here.
    """
    manifests = {asset: read_manifests(lake, asset) for asset in assets}
    missing = [asset for asset, found in manifests.items() if not found]
    if missing:
        raise MissingInputError(f"{lake.root} lacks {', '.join(missing)}. Run the whole demo there first.")
    return {asset: seconds(found) for asset, found in manifests.items()}


def seconds(manifests: Sequence[Manifest]) -> float:
    """Returns how long an asset took, over all of its partitions."""
    return round(sum(manifest.seconds for manifest in manifests), 1)


def main(home: str) -> None:
    """Writes the reference anew from a home."""
    from orchestration.definitions import build_definitions
    from orchestration.profile import load_profile

    graph = build_definitions(load_profile("demo"), Path(home)).resolve_asset_graph()
    assets = [key.path[-1] for key in graph.toposorted_asset_keys]
    measured = measured_seconds(Lake(str(Path(home).absolute())), assets)
    REFERENCE_FILE.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
