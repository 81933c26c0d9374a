import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.engine.measure import measure_shards, read_ledger
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.paths import EVALUATOR, POSTFILTERED
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS, conform
from assets.measured.thumbnail import THUMBNAIL
from assets.postfiltered import evaluator, score
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.decide import decide, postfilter
from assets.postfiltered.evaluator import TRAINING_SET_PATH, train_pair_evaluator
from assets.postfiltered.training_set import SAME_EDIT, Edit, partners, relation_of, training_set
from assets.synthesized.instructions import instruction_forms
from assets.synthesized.templates.catalogue import TEMPLATES, inverse_name
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.seeding import numpy_generator
from models.evaluator.pair_evaluator import new_evaluator, save_evaluator
from trainers.small.config import EvaluatorTrainingConfig

TRAINING = EvaluatorTrainingConfig(
    steps=3,
    batch_size=8,
    learning_rate=1e-3,
    warmup_steps=1,
    weight_decay=0.01,
    checkpoint_every=2,
    threads=1,
    seed=0,
)
SCREEN = PostfilteredConfig(min_alignment=0.5, alignment_exempt=())
KINDS = ["brighter", "darker", "brighter:inverse", "grayscale", "mirror", "mirror:inverse", "blur"]


def tables(count: int, images: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Edits of every kind in both splits, with the wording that the captioner gives them."""
    samples, texts = [], []
    blank = dict.fromkeys(TEXTS)
    for number in range(count):
        name = KINDS[number % len(KINDS)]
        template = name.partition(":")[0]
        sample = f"sample {number:03d}"
        samples.append(
            {
                "sample_id": sample,
                "group_id": f"g{number}",
                "split": "heldout" if number % 3 == 0 else "train",
                "task": "i2i",
                "category": "stylistic",
                "subcategory": "lowlevel" if name == "blur" else "adjust",
                "source_ids": [images[number % len(images)]],
                "target_id": images[(number + 1) % len(images)],
                "origin": {"engine": "t", "template": name, "parameters": "{}", "seed": 0, "parents": []},
                "license": "x",
            }
        )
        forms = instruction_forms(template, {}, inverse=name != template)
        for (kind, lang), wordings in forms.items():
            text = {"text_id": f"{sample}{kind}{lang}", "sample_id": sample, "kind": kind, "lang": lang}
            texts.append({**blank, **text, "text": wordings[number % len(wordings)]})
    return (
        pl.DataFrame(samples, schema=dict(SAMPLES), orient="row"),
        pl.DataFrame(texts, schema=dict(TEXTS), orient="row"),
    )


def test_neither_pictures_nor_instructions_alone_tell_the_label():
    pairs = training_set(*tables(90, ["a", "b"]), seed=0)
    for _, part in pairs.group_by("split", "text_kind"):
        assert part["sample_id"].n_unique() == part.height  # each pair once with either label
        assert Counter(part["text"]) == Counter(part["other_text"])  # and so each instruction
    assert set(pairs["split"]) == {"train", "heldout"}


def test_a_perturbed_instruction_never_describes_the_edit():
    samples, texts = tables(90, ["a", "b"])
    pairs = training_set(samples, texts, seed=0)
    same = {frozenset(names) for names in SAME_EDIT}
    meaning = {}
    for name in KINDS:
        template = name.partition(":")[0]
        for wordings in instruction_forms(template, {}, inverse=name != template).values():
            meaning |= dict.fromkeys(wordings, name)
    for row in pairs.iter_rows(named=True):
        own, other = meaning[row["text"]], meaning[row["other_text"]]
        assert own == row["template"]
        assert own != other
        assert frozenset((own, other)) not in same


def test_the_training_set_does_not_depend_on_the_order_of_its_tables():
    samples, texts = tables(40, ["a", "b"])
    shuffled = training_set(samples.reverse(), texts.sample(fraction=1, shuffle=True, seed=1), seed=0)
    assert shuffled.equals(training_set(samples, texts, seed=0))


@settings(deadline=None)
@given(st.lists(st.sampled_from([Edit(name, "{}", name[0]) for name in KINDS]), max_size=30))
def test_partners_are_mutual_and_contradict_each_other(edits):
    found = partners(edits, numpy_generator(0, "test"))
    for row, (partner, relation) in found.items():
        assert found[partner][0] == row
        assert relation_of(edits[row], edits[partner]) == relation


def test_all_rows_find_partners_where_no_edit_outnumbers_the_rest():
    edits = [Edit(name, "{}", "") for name in ("blur", "grayscale", "sepia") for _ in range(20)]
    assert len(partners(edits, numpy_generator(0, "test"))) >= 56


def test_relations_go_by_parameter_direction_and_category():
    red, blue = Edit("frame", '{"color":"red"}', "add"), Edit("frame", '{"color":"blue"}', "add")
    assert relation_of(red, blue) == "parameter"
    assert relation_of(red, red) is None
    assert relation_of(Edit("brighter", "", "adjust"), Edit("darker", "", "adjust")) == "direction"
    assert relation_of(Edit("disc", "", "add"), Edit("disc:inverse", "", "remove")) == "direction"
    assert relation_of(Edit("mirror", "", "adjust"), Edit("mirror:inverse", "", "adjust")) is None
    assert relation_of(Edit("warmer", "", "color"), Edit("sepia", "", "color")) == "category"
    assert relation_of(Edit("warmer", "", "color"), Edit("blur", "", "lowlevel")) == "kind"


def test_exactly_those_edits_count_as_the_same_that_undo_each_other():
    """Undoing A looks like doing B where B after A gives the picture back, within a rounding."""
    picture = numpy_generator(0, "undo").integers(20, 235, (48, 48, 3), dtype=np.uint8)
    plain = {
        name: t for name, t in TEMPLATES.items() if t.references == 1 and not t.draw(numpy_generator(0, "d"))
    }
    undone = {
        (name, inverse_name(other))
        for other, first in plain.items()
        for name, second in plain.items()
        if first.invertible
        and np.abs(second.apply([first.apply([picture], {})], {}).astype(int) - picture).mean() <= 2
    }
    listed = {tuple(sorted(names)) for names in SAME_EDIT}
    assert {tuple(sorted(names)) for names in undone} == listed


@pytest.fixture
def filled(lake: Lake, monkeypatch) -> Lake:
    """A lake with edits whose texts have made-up sentence vectors: the real encoder takes seconds."""

    def vectors(lake, texts, encoder_path, progress):
        return {
            text: numpy_generator(0, "sentence", text).normal(size=384).astype(np.float32) / 20
            for text in sorted(set(texts))
        }

    monkeypatch.setattr(evaluator, "sentence_vectors", vectors)
    monkeypatch.setattr(score, "sentence_vectors", vectors)
    pictures = numpy_generator(0, "pictures").integers(0, 256, (6, 70, 70, 3), dtype=np.uint8)
    images = [StoredImage(encode_png(picture), str(n), "t", "x") for n, picture in enumerate(pictures)]
    shards = ["images/b/shard-000.parquet", "images/b/shard-001.parquet"]
    for shard, part in zip(shards, (images[:3], images[3:]), strict=True):
        write_image_shard(lake, shard, part)
    measure_shards(lake, shards, [THUMBNAIL], workers=1, progress=silent)
    samples, texts = tables(42, [image.image_id for image in images])
    lake.write_table("samples/b.parquet", samples, SAMPLES)
    lake.write_table("texts/b.parquet", texts, TEXTS)
    return lake


def test_the_evaluators_figures_come_with_its_shortcut_probes(filled):
    output = train_pair_evaluator(filled, TRAINING, None, silent)
    assert set(output.facts) == {
        "auc",
        "auc_instruction_only",
        "auc_pictures_only",
        "auc_by_perturbation",
        "pairs",
    }
    assert output.facts["auc_instruction_only"] == pytest.approx(0.5, abs=0.02)
    assert output.facts["auc_pictures_only"] == pytest.approx(0.5, abs=0.02)
    assert json.dumps(output.facts)
    assert all(filled.exists(path) for path in output.files)
    assert not filled.list(EVALUATOR, "checkpoint.safetensors")


def test_training_twice_leaves_the_same_bytes(filled):
    train_pair_evaluator(filled, TRAINING, None, silent)
    paths = [f"{EVALUATOR}/model.safetensors", TRAINING_SET_PATH]
    before = [filled.read_bytes(path) for path in paths]
    train_pair_evaluator(filled, TRAINING, None, silent)
    assert [filled.read_bytes(path) for path in paths] == before


def test_a_new_threshold_decides_again_without_scoring_again(filled):
    save_evaluator(new_evaluator(0), filled.local_path(EVALUATOR))
    arguments = {"encoder_path": None, "progress": silent}
    postfilter(filled, SCREEN.model_copy(update={"min_alignment": 0.0}), **arguments)
    assert filled.read_table(POSTFILTERED, VERDICTS)["kept"].all()
    before = read_ledger(filled)
    output = postfilter(filled, SCREEN.model_copy(update={"min_alignment": 1.0}), **arguments)
    assert output.facts["dropped"] == {"alignment": 42}
    assert read_ledger(filled).equals(before)


def test_an_alignment_is_the_mean_score_over_the_english_instructions(filled):
    import torch

    model = new_evaluator(0)
    save_evaluator(model, filled.local_path(EVALUATOR))
    scored = score.score_edits(filled, None, silent)
    assert scored.height == 42
    row = filled.read_table("samples/b.parquet").row(5, named=True)
    texts = filled.read_table("texts/b.parquet").filter(
        (pl.col("sample_id") == row["sample_id"]) & (pl.col("lang") == "en") & (pl.col("kind") != "original")
    )["text"]
    squares = filled.read_tables(
        "measures/thumbnail@1", {"id": pl.String(), "squeezed": pl.Binary(), "error": pl.String()}
    )
    square = {name: np.frombuffer(data, np.uint8) for name, data, _ in squares.iter_rows()}

    def planes(image_id):
        return torch.tensor(square[image_id].reshape(1, 64, 64, 3) / 127.5 - 1).permute(0, 3, 1, 2).float()

    vectors = [
        numpy_generator(0, "sentence", text).normal(size=384).astype(np.float32) / 20 for text in texts
    ]
    single = [
        model.score(planes(row["source_ids"][0]), planes(row["target_id"]), torch.tensor(vector[None])).item()
        for vector in vectors
    ]
    found = dict(scored.select("id", "alignment").iter_rows())[row["sample_id"]]
    assert found == pytest.approx(np.mean(single), abs=1e-5)


def judged(config: PostfilteredConfig, alignment: list) -> list[tuple]:
    samples, _ = tables(3, ["x", "y", "z"])
    scores = pl.DataFrame(
        {"id": samples["sample_id"], "alignment": alignment}, schema_overrides={"alignment": pl.Float64}
    )
    return (
        conform(decide(samples, scores, config), VERDICTS, "test")
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
