import polars as pl
from edit_tables import tables

from assets.lake.schemas import VERDICTS, conform
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.decide import alignment_verdicts

SCREEN = PostfilteredConfig(min_alignment=0.5, alignment_exempt=())


def judged(config: PostfilteredConfig, alignment: list) -> list[tuple]:
    samples, _ = tables(3, ["x", "y", "z"])
    scores = pl.DataFrame(
        {"id": samples["sample_id"], "alignment": alignment}, schema_overrides={"alignment": pl.Float64}
    )
    return (
        conform(alignment_verdicts(samples, scores, config), VERDICTS, "test")
        .select("kept", "rule", "value", "threshold")
        .rows()
    )


def test_a_sample_that_the_evaluator_finds_misaligned_goes_with_its_score_and_threshold():
    assert judged(SCREEN, [0.9, 0.1, 0.5]) == [
        (True, None, None, None),
        (False, "alignment", 0.1, 0.5),
        (True, None, None, None),
    ]


def test_what_was_not_scored_is_not_judged():
    assert all(kept for kept, *_ in judged(SCREEN, [None] * 3))


def test_exemptions_name_categories_or_templates_and_hold_for_their_inverses():
    by_template = SCREEN.model_copy(update={"alignment_exempt": ("brighter",)})
    assert [kept for kept, *_ in judged(by_template, [0, 0, 0])] == [True, False, True]
    by_place = SCREEN.model_copy(update={"alignment_exempt": ("adjust",)})
    assert all(kept for kept, *_ in judged(by_place, [0, 0, 0]))
