"""Promotes the version with the best benchmark to `champion`, and the next best to `challenger`."""

from assets.lake.lake import Lake
from assets.lake.steps import StepOutput, require_manifest
from assets.training.config import Tracking

CHAMPION_PATH = "reports/champion.json"


def promote_champion(lake: Lake, tracking: Tracking) -> StepOutput:
    """Sets the aliases in the registry by the benchmark report, and writes `reports/champion.json`."""
    from models.registry.registry import NAME, promote

    bench = require_manifest(lake, "bench_report")
    versions = bench.facts["versions"]
    champion, challenger = bench.facts["champion"], bench.facts["challenger"]
    figures = next(row for row in bench.facts["editors"] if row["editor"] == champion)
    promote(
        versions[champion],
        tracking_uri=tracking.uri,
        challenger=versions.get(challenger),
        tags={
            "bench.report": bench.content,
            "bench.model_error": f"{figures['model_error']:.6f}",
            "bench.of_copying": f"{figures['of_copying']:.4f}",
            "bench.share_beating_copying": f"{figures['share_beating_copying']:.4f}",
        },
    )
    facts = {
        "name": NAME,
        "versions": versions,
        "champion": {"stage": champion, "version": versions[champion]},
        "challenger": {"stage": challenger, "version": versions.get(challenger)},
    }
    lake.write_json(CHAMPION_PATH, facts)
    return StepOutput((CHAMPION_PATH,), len(versions), facts)
