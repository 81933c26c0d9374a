from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from filter_pictures import PHOTOGRAPHS, blurred, noisy
from handed_on import hand_on
from small_lake import record, sample, verdict, write

from assets.engine.measure import ImageMeasure, measure_shards, one_by_one, read_ledger
from assets.filtered.config import FilteredConfig, Rule
from assets.filtered.decide import UnknownColumnError
from assets.filtered.filter_images import PRISTINE, filter_images, filter_targets
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.paths import FILTERED, FILTERED_PAIRS
from assets.lake.schemas import RECORDS, SAMPLES, VERDICTS
from assets.measured.perceptual import DISTANCE, PERCEPTUAL
from assets.measured.photometric import PHOTOMETRIC
from models.common.pixels import encode_png
from models.common.progress import silent

RAW, MADE = "images/mine-0000/shard-000.parquet", "images/synthesized/shard-000.parquet"
CAT = PHOTOGRAPHS["chelsea.png"]
MEASURES = [PHOTOMETRIC]


def rules(**changes: Mapping) -> FilteredConfig:
    blur = {
        "measure": "photometric.sharpness",
        "keep": "above",
        "value": 0.57,
        "unless_category": ["lowlevel"],
    }
    exposure = {"measure": "photometric.exposure", "keep": "between", "value": [-0.7, 0.4]}
    named = {"blur": blur, "exposure": exposure} | changes
    return FilteredConfig(rules={name: Rule.model_validate(rule) for name, rule in named.items()})


def stored(
    lake: Lake, shard: str, measures: list[ImageMeasure], pictures: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """Writes and measures a shard; returns the ids of its images."""
    files = {
        name: StoredImage(encode_png(pixels), f"{name}.png", "mine", "own")
        for name, pixels in pictures.items()
    }
    write_image_shard(lake, shard, files.values())
    measure_shards(lake, [shard], measures, workers=1, progress=silent)
    records = [record(name, file.image_id) for name, file in files.items()]
    write(lake, f"records/{shard.split('/')[1]}.parquet", RECORDS, *records)
    return {name: file.image_id for name, file in files.items()}


@pytest.fixture
def ids(lake: Lake) -> dict[str, str]:
    dark = (CAT * 0.25).astype(np.uint8)
    pictures = {"sharp": CAT, "soft": blurred(CAT, 1.5), "blurred": blurred(CAT, 5), "dark": dark}
    names = stored(lake, RAW, MEASURES, pictures)
    write(lake, "verdicts/deduped.parquet", VERDICTS, verdict(names["blurred"], "deduped", "pdq"))
    write(
        lake, "samples/raw/mine-0000.parquet", SAMPLES, *(sample(f"t2i {n}", [], i) for n, i in names.items())
    )
    edits = sample("e1", [names["soft"]], names["sharp"]), sample("e2", [names["sharp"], names["dark"]], "x")
    write(lake, "samples/synthesized.parquet", SAMPLES, *edits)
    return names


def test_every_image_has_a_verdict_and_the_funnel_leaves_duplicates_out(lake, ids):
    output = filter_images(lake, [RAW], MEASURES, rules())
    verdicts = lake.read_table(FILTERED, VERDICTS)
    assert dict(verdicts.select("id", "rule").rows()) == {
        ids["sharp"]: None,
        ids["soft"]: None,
        ids["blurred"]: "blur",
        ids["dark"]: "exposure",
    }
    assert (output.facts["in"], output.facts["kept"], output.facts["dropped"]) == (3, 2, {"exposure": 1})
    assert output.facts["changed"] is None
    assert output.files == (FILTERED,)
    assert output.preview is not None
    assert output.preview.startswith(b"\xff\xd8")


def test_another_threshold_decides_again_without_measuring_and_says_what_hangs_on_it(lake, ids):
    filter_images(lake, [RAW], MEASURES, rules())
    ledger = read_ledger(lake)
    strict = {"measure": "photometric.sharpness", "keep": "above", "value": 1.0}
    loose = {"measure": "photometric.exposure", "keep": "between", "value": [-1, 1]}
    changed = filter_images(lake, [RAW], MEASURES, rules(blur=strict, exposure=loose)).facts["changed"]
    assert read_ledger(lake).equals(ledger)
    assert (changed["newly_dropped"], changed["newly_kept"], changed["other_rule"]) == (1, 1, 0)
    # the text-to-image samples of the soft and the dark picture, and both edits
    assert changed["samples_that_use_them"] == 4
    assert {row["id"]: (row["was"], row["is"]) for row in changed["images"]} == {
        ids["soft"]: ("kept", "blur"),
        ids["dark"]: ("exposure", "kept"),
    }
    again = filter_images(lake, [RAW], MEASURES, rules(blur=strict, exposure=loose)).facts["changed"]
    assert again == {
        "newly_kept": 0,
        "newly_dropped": 0,
        "other_rule": 0,
        "samples_that_use_them": 0,
        "images": [],
    }


def test_an_image_that_another_rule_drops_now_is_told_apart(lake, ids):
    filter_images(lake, [RAW], MEASURES, rules())
    first = {"exposure": rules().rules["exposure"], "blur": rules().rules["blur"]}
    dim = Rule(measure="photometric.brightness", keep="above", value=0.2)
    changed = filter_images(lake, [RAW], MEASURES, FilteredConfig(rules={"dim": dim, **first}))
    facts = changed.facts["changed"]
    assert (facts["newly_dropped"], facts["newly_kept"], facts["other_rule"]) == (0, 0, 1)
    assert [(row["was"], row["is"]) for row in facts["images"]] == [("exposure", "dim")]
    assert facts["samples_that_use_them"] == 0


def test_the_named_images_are_few_however_many_changed(lake):
    pictures = {str(n): np.full((8, 8 + n, 3), 250, np.uint8) for n in range(130)}
    stored(lake, RAW, MEASURES, pictures)
    write(lake, "verdicts/deduped.parquet", VERDICTS)
    keeps = Rule(measure="photometric.brightness", keep="above", value=0)
    drops = Rule(measure="photometric.brightness", keep="below", value=0)
    filter_images(lake, [RAW], MEASURES, FilteredConfig(rules={"light": keeps}))
    changed = filter_images(lake, [RAW], MEASURES, FilteredConfig(rules={"light": drops})).facts["changed"]
    assert changed["newly_dropped"] == 130
    assert len(changed["images"]) == 100


def test_targets_are_judged_by_the_same_rules_but_for_what_their_edit_does_on_purpose(lake, ids):
    made = stored(
        lake, MADE, MEASURES, {"blurred": blurred(CAT[:, ::-1], 6), "spoilt": blurred(CAT[::-1], 6)}
    )
    forward = sample("f1", [ids["sharp"]], made["blurred"]) | {"subcategory": "lowlevel"}
    other = sample("f2", [ids["sharp"]], made["spoilt"]) | {"subcategory": "color"}
    undone = sample("f3", [made["spoilt"]], ids["sharp"]) | {"subcategory": "lowlevel"}
    undone = undone | {"origin": other["origin"] | {"parents": ["f2"]}}
    write(lake, "samples/synthesized.parquet", SAMPLES, forward, other, undone)
    write(lake, "samples/longtail.parquet", SAMPLES)
    hand_on(lake)
    output = filter_targets(lake, [MADE], MEASURES, rules())
    verdicts = dict(lake.read_table(FILTERED_PAIRS, VERDICTS).select("id", "rule").rows())
    assert verdicts == {made["blurred"]: None, made["spoilt"]: "blur"}
    assert output.facts["dropped"] == {"blur": 1}


def test_what_a_measure_failed_on_is_kept_and_counted(lake):
    def refuses(image: np.ndarray) -> dict[str, float]:
        if image.shape[0] > 200:
            raise MemoryError("too large")
        return {"side": 1.0}

    fragile = ImageMeasure("fragile", "1", 1024, {"side": pl.Float64()}, one_by_one(refuses))
    stored(lake, RAW, [fragile], {"large": CAT, "small": CAT[:100]})
    write(lake, "verdicts/deduped.parquet", VERDICTS)
    rule = Rule(measure="fragile.side", keep="below", value=0)
    facts = filter_images(lake, [RAW], [fragile], FilteredConfig(rules={"side": rule})).facts
    assert facts["failed_measures"] == {"fragile": 1}
    assert facts["kept"] == 1


def test_natural_is_what_the_other_rules_keep_and_targets_are_compared_with_that(lake):
    generator = np.random.default_rng(0)
    corners = [(int(y), int(x)) for y, x in generator.integers(0, 180, (60, 2))]
    windows = {f"window {n}": CAT[y : y + 96, x : x + 96] for n, (y, x) in enumerate(corners)}
    grain = {f"grain {n}": noisy(CAT[n * 5 : n * 5 + 96, :96], 40) for n in range(20)}
    measures = [PHOTOMETRIC, PERCEPTUAL]
    names = stored(lake, RAW, measures, windows | grain)
    write(lake, "verdicts/deduped.parquet", VERDICTS)
    config = FilteredConfig(
        rules={
            "noise": Rule(measure="photometric.noise", keep="below", value=13),
            "unnatural": Rule(measure=DISTANCE, keep="below", value=8),
        }
    )
    output = filter_images(lake, [RAW], measures, config)
    assert output.facts["dropped"] == {"noise": 20}
    assert output.facts["pristine_images"] == 60
    assert set(output.files) == {FILTERED, PRISTINE}
    made = stored(
        lake, MADE, measures, {"like": CAT[30:126, 30:126], "unlike": blurred(CAT[50:146, 50:146], 2)}
    )
    write(lake, "samples/synthesized.parquet", SAMPLES, sample("s", [names["window 0"]], made["like"]))
    write(lake, "samples/longtail.parquet", SAMPLES)
    hand_on(lake)
    filter_targets(lake, [MADE], measures, config)
    verdicts = dict(lake.read_table(FILTERED_PAIRS, VERDICTS).select("id", "rule").rows())
    assert verdicts == {made["like"]: None, made["unlike"]: "unnatural"}


def test_too_few_natural_images_judge_nothing(lake):
    measures = [PHOTOMETRIC, PERCEPTUAL]
    stored(lake, RAW, measures, {"a": CAT, "b": noisy(CAT, 60)})
    write(lake, "verdicts/deduped.parquet", VERDICTS)
    config = FilteredConfig(rules={"unnatural": Rule(measure=DISTANCE, keep="below", value=0)})
    facts = filter_images(lake, [RAW], measures, config).facts
    assert (facts["kept"], facts["pristine_images"]) == (2, None)


def test_a_rule_over_what_is_not_measured_stops_before_anything_is_written(lake, ids):
    config = rules(codes={"measure": "codes.count", "keep": "equals", "value": 0})
    for step in (filter_images, filter_targets):
        with pytest.raises(UnknownColumnError) as caught:
            step(lake, [RAW], MEASURES, config)
        assert caught.value.column == "codes.count"
    assert not lake.exists(FILTERED)
