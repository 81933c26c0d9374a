import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from handed_on import hand_on
from skimage import data

from assets.lake.ids import sample_id
from assets.lake.images import StoredImage, iterate_shard, read_image_table, read_images, write_image_shard
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS
from assets.synthesized import synthesize as synthesize_module
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.requests import NoTrainingImageError, edit_request, plan_requests
from assets.synthesized.synthesize import synthesize
from assets.synthesized.templates.catalogue import TEMPLATES
from models.common.pixels import decode, encode_jpeg, encode_png
from models.common.progress import silent

CONFIG = SynthesizedConfig(
    seed=3, templates=tuple(TEMPLATES), train_pairs=60, heldout_pairs=20, long_side=256, pairs_per_shard=24
)


def crop(number: int, height: int = 64, width: int = 64) -> np.ndarray:
    top, left = divmod(number * 37, 200)
    return np.ascontiguousarray(data.astronaut()[top : top + height, left : left + width])


def store(lake: Lake, pictures: list[bytes], split: str = "train", groups: int = 3) -> pl.DataFrame:
    images = [StoredImage(picture, f"{n}.jpg", "c", "CC0") for n, picture in enumerate(pictures)]
    write_image_shard(lake, f"images/{split}/shard-000.parquet", images)
    rows = [
        {"image_id": image.image_id, "group_id": f"{split}-{n % groups}", "split": split, "license": "CC0"}
        for n, image in enumerate(images)
    ]
    return pl.DataFrame(rows)


@pytest.fixture
def kept(lake: Lake) -> pl.DataFrame:
    train = store(lake, [encode_jpeg(crop(n), 95) for n in range(12)])
    heldout = store(lake, [encode_jpeg(crop(n), 95) for n in range(20, 26)], "heldout")
    return pl.concat([train, heldout])


def run(
    lake: Lake,
    requests,
    destination: str = "synthesized",
    config: SynthesizedConfig = CONFIG,
    workers: int = 1,
):
    hand_on(lake)
    return synthesize(lake, requests, destination, config, workers=workers, progress=silent)


def files_of(lake: Lake, paths) -> dict[str, bytes]:
    return {path: lake.read_bytes(path) for path in paths}


def samples_of(lake: Lake, destination: str = "synthesized") -> pl.DataFrame:
    frame = lake.read_table(f"samples/{destination}.parquet", SAMPLES)
    return frame.with_columns(
        template=pl.col("origin").struct.field("template"), parents=pl.col("origin").struct.field("parents")
    )


def pixels_of(lake: Lake, image_ids) -> dict[str, np.ndarray]:
    table = read_image_table(lake, lake.list("images", ".parquet")).unique("image_id")
    shard_of = dict(table.select("image_id", "shard").rows())
    return {image_id: decode(found) for image_id, found in read_images(lake, shard_of, image_ids).items()}


def test_the_plan_has_the_wanted_pairs_balanced_over_templates_and_images(kept):
    requests = plan_requests(kept, CONFIG)
    for split, count in (("train", 60), ("heldout", 20)):
        own = [request for request in requests if request.split == split]
        assert len(own) == count
        by_template = [sum(request.template == name for request in own) for name in TEMPLATES]
        assert max(by_template) - min(by_template) <= 2
        firsts = [request.source_ids[0] for request in own]
        by_image = [firsts.count(image) for image in sorted(set(firsts))]
        assert max(by_image) - min(by_image) <= 1


def test_no_image_gets_a_template_twice_however_many_pairs_are_asked_for(kept):
    requests = plan_requests(kept, CONFIG.model_copy(update={"train_pairs": 10_000, "heldout_pairs": 10_000}))
    pairs = [(request.template, request.source_ids[0]) for request in requests]
    assert len(set(pairs)) == len(pairs) == kept.height * len(TEMPLATES)
    assert len({request.key for request in requests}) == len(requests)


def test_the_plan_does_not_depend_on_the_order_of_the_images(kept):
    shuffled = kept.sample(fraction=1, shuffle=True, seed=5)
    assert plan_requests(shuffled, CONFIG) == plan_requests(kept, CONFIG)


def test_two_references_come_from_one_group_and_never_from_two_splits(kept):
    groups = dict(kept.select("image_id", "group_id").rows())
    two = [request for request in plan_requests(kept, CONFIG) if len(request.source_ids) == 2]
    assert two
    for request in two:
        assert len({groups[source] for source in request.source_ids}) == 1
        assert len(set(request.source_ids)) == 2
    lonely = kept.with_columns(group_id=pl.col("image_id"))
    for request in plan_requests(lonely, CONFIG):
        assert (
            len({s for i in request.source_ids for s in kept.filter(pl.col("image_id") == i)["split"]}) == 1
        )


def test_one_lonely_image_gets_every_template_but_the_composition(kept):
    requests = plan_requests(kept.head(1), CONFIG)
    assert {request.template for request in requests} == set(TEMPLATES) - {"side_by_side"}
    with pytest.raises(NoTrainingImageError):
        plan_requests(kept.clear(), CONFIG)


def test_samples_are_what_their_template_makes_of_their_sources(lake: Lake, kept):
    requests = plan_requests(kept, CONFIG)
    output = run(lake, requests)
    samples = samples_of(lake)
    forward = samples.filter(~pl.col("template").str.ends_with(":inverse"))
    assert forward.height == output.facts["pairs"] == len(requests)
    pixels = pixels_of(
        lake, {i for row in forward.iter_rows(named=True) for i in (*row["source_ids"], row["target_id"])}
    )
    for row in forward.iter_rows(named=True):
        parameters = json.loads(row["origin"]["parameters"])
        template = TEMPLATES[row["template"]]
        sources = [pixels[source] for source in row["source_ids"]]
        assert np.array_equal(pixels[row["target_id"]], template.apply(sources, parameters))
        assert (row["category"], row["subcategory"]) == (template.kind.category, template.kind.subcategory)
        assert row["origin"]["engine"] == "template"
        key = f"{row['template']} {row['origin']['parameters']}"
        assert row["sample_id"] == sample_id("i2i", row["source_ids"], row["target_id"], key)


def test_an_inversion_swaps_the_pair_and_names_its_parent(lake: Lake, kept):
    run(lake, plan_requests(kept, CONFIG))
    samples = samples_of(lake)
    by_id = {row["sample_id"]: row for row in samples.iter_rows(named=True)}
    inverses = [row for row in by_id.values() if row["template"].endswith(":inverse")]
    expected = {name for name, template in TEMPLATES.items() if template.invertible}
    assert {row["template"].removesuffix(":inverse") for row in inverses} == expected
    for row in inverses:
        (parent,) = (by_id[parent] for parent in row["parents"])
        assert row["template"] == parent["template"] + ":inverse"
        assert (row["source_ids"], row["target_id"]) == ([parent["target_id"]], parent["source_ids"][0])
        assert all(row[key] == parent[key] for key in ("group_id", "split", "license"))
    invertible = [row for row in by_id.values() if row["template"] in expected]
    assert len(invertible) == len(inverses)


def test_groups_and_splits_of_pairs_are_those_of_their_sources(lake: Lake, kept):
    run(lake, plan_requests(kept, CONFIG))
    known = {row["image_id"]: row for row in kept.iter_rows(named=True)}
    forward = samples_of(lake).filter(pl.col("parents").list.len() == 0)
    for row in forward.iter_rows(named=True):
        assert {row["split"]} == {known[source]["split"] for source in row["source_ids"]}
        assert row["group_id"] == known[row["source_ids"][0]]["group_id"]


def test_every_sample_has_seven_texts_refined_from_one_another(lake: Lake, kept):
    run(lake, plan_requests(kept, CONFIG))
    texts = lake.read_table("texts/synthesized.parquet", TEXTS)
    assert texts["text_id"].n_unique() == texts.height == 7 * samples_of(lake).height
    kinds = dict(texts.select("text_id", "kind").rows())
    parents = {(row["kind"], kinds.get(row["parent_text_id"])) for row in texts.iter_rows(named=True)}
    assert parents == {
        ("original", None),
        ("detailed", None),
        ("concise", "detailed"),
        ("user_like", "concise"),
    }
    assert texts["lang"].value_counts().sort("lang")["count"].to_list() == [
        4 * texts.height // 7,
        3 * texts.height // 7,
    ]


def test_running_again_makes_no_pixel_and_gives_equal_bytes(lake: Lake, kept, monkeypatch):
    requests = plan_requests(kept, CONFIG)
    before = files_of(lake, run(lake, requests).files)
    monkeypatch.setattr(
        synthesize_module, "_make_pairs", lambda *args: pytest.fail("a finished shard was made again")
    )
    assert files_of(lake, run(lake, requests).files) == before


def test_a_run_killed_half_way_is_completed_to_equal_bytes(lake: Lake, kept, tmp_path, monkeypatch):
    requests = plan_requests(kept, CONFIG)
    undisturbed = files_of(lake, run(lake, requests).files)
    other = Lake(str(tmp_path / "other"))
    for path in lake.list("images"):
        if "synthesized" not in path:
            other.write_bytes(path, lake.read_bytes(path))
    make, calls = synthesize_module._make_pairs, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(*args)

    monkeypatch.setattr(synthesize_module, "_make_pairs", killed)
    with pytest.raises(KeyboardInterrupt):
        run(other, requests)
    assert not other.exists("samples/synthesized.parquet")
    assert files_of(other, run(other, requests).files) == undisturbed
    assert len(calls) == 2 + 1 + len(other.list("images/synthesized", ".parquet")) - 2


def test_worker_processes_give_the_bytes_of_one_process(lake: Lake, kept):
    requests = plan_requests(kept, CONFIG)[:40]
    alone = files_of(lake, run(lake, requests, "one", workers=1).files)
    together = files_of(lake, run(lake, requests, "two", workers=2).files)
    for path, found in alone.items():
        other = together[path.replace("one", "two")]
        if path.startswith("images"):  # the corpus column says where a target belongs
            assert list(iterate_shard(lake, path)) == list(iterate_shard(lake, path.replace("one", "two")))
        else:
            assert found == other


def test_changed_requests_replace_what_was_there(lake: Lake, kept):
    requests = plan_requests(kept, CONFIG)
    run(lake, requests)
    output = run(lake, requests[:10])
    assert [path[:28] for path in lake.list("images/synthesized", ".parquet")] == [
        "images/synthesized/shard-000"
    ]
    assert output.facts["pairs"] == 10
    fresh = run(lake, requests[:10], "fresh")
    targets = [set(samples_of(lake, name)["target_id"]) for name in ("synthesized", "fresh")]
    assert targets[0] == targets[1]
    assert fresh.rows == output.rows


def test_a_shard_that_went_missing_is_made_again(lake: Lake, kept):
    requests = plan_requests(kept, CONFIG)
    before = files_of(lake, run(lake, requests).files)
    lake.delete(lake.list("images/synthesized", ".parquet")[1])
    assert files_of(lake, run(lake, requests).files) == before


def test_a_source_that_is_too_large_is_stored_again_so_that_both_sides_have_one_size(lake: Lake):
    large = store(lake, [encode_jpeg(np.tile(crop(0, 200, 200), (2, 3, 1)), 90)]).to_dicts()[0]
    run(lake, [edit_request("invert", [large])], config=CONFIG.model_copy(update={"long_side": 128}))
    row = samples_of(lake).filter(pl.col("template") == "invert").row(0, named=True)
    pixels = pixels_of(lake, [row["source_ids"][0], row["target_id"]])
    assert row["source_ids"][0] != large["image_id"]
    assert pixels[row["source_ids"][0]].shape == (85, 128, 3)
    assert np.array_equal(255 - pixels[row["source_ids"][0]], pixels[row["target_id"]])


def test_a_source_that_is_too_small_for_words_gives_no_pair_and_is_counted(lake: Lake):
    rows = store(lake, [encode_png(crop(0, 20, 90)), encode_png(crop(1))]).to_dicts()
    output = run(lake, [edit_request("text_banner", [row]) for row in rows])
    assert (output.facts["pairs"], output.facts["too_small"]) == (1, 1)


def test_another_destination_is_written_beside_the_first(lake: Lake, kept):
    requests = plan_requests(kept, CONFIG)
    first = files_of(lake, run(lake, requests).files)
    output = run(lake, [edit_request("sepia", [kept.to_dicts()[0]])], "longtail")
    assert sorted(Path(path).parts[0] for path in output.files) == ["images", "samples", "texts"]
    assert files_of(lake, first) == first
    assert output.preview is not None


def test_licences_of_two_sources_are_both_named():
    rows = [
        {"image_id": n, "group_id": "g", "split": "train", "license": name}
        for n, name in (("a", "MIT"), ("b", "CC0"))
    ]
    assert edit_request("side_by_side", rows).license == "CC0; MIT"


@pytest.mark.parametrize(
    ("templates", "message"), [(("sepia", "bluur"), "bluur"), (("sepia", "sepia"), "twice")]
)
def test_a_profile_with_a_wrong_template_is_refused(templates, message):
    with pytest.raises(ValueError, match=message):
        SynthesizedConfig.model_validate({**CONFIG.model_dump(), "templates": templates})
