import polars as pl
import pytest
from handed_on import hand_on
from polars.testing import assert_frame_equal

from assets.cached.config import MixturesConfig, StageMixture
from assets.cached.mixture import CutGroupError, build_mixtures, check_groups, mix, sample_texts
from assets.lake.kept import without_dropped
from assets.lake.paths import mixture_path
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from models.common.progress import silent
from trainers.data.cache import MIXTURE


def sample(name, task="i2i", split="train", template="blur", sources=("a",), group=None):
    return {
        "sample_id": name,
        "group_id": group or f"group-{name}",
        "split": split,
        "task": task,
        "category": "stylistic" if task == "i2i" else None,
        "subcategory": "lowlevel" if task == "i2i" else None,
        "source_ids": list(sources) if task == "i2i" else [],
        "target_id": f"target-{name}",
        "origin": {"engine": "e", "template": template, "parameters": "{}", "seed": 0, "parents": []},
        "license": "cc0",
    }


def text(sample_name, kind, lang="en", words=3):
    return {
        "text_id": f"{sample_name}-{kind}-{lang}",
        "sample_id": sample_name,
        "kind": kind,
        "lang": lang,
        "text": " ".join(["word"] * words),
        "model": "template",
        "prompt_version": 1,
        "seed": 0,
        "parent_text_id": None,
    }


def samples_of(*rows):
    return pl.DataFrame(rows, schema=dict(SAMPLES))


def texts_of(*rows):
    return pl.DataFrame(rows, schema=dict(TEXTS))


def shares(**changes):
    parts = {
        "side": 64,
        "captions": {"original": 0.5, "structured": 0.3, "instructive": 0.2},
        "tasks": {"t2i": 0.25, "i2i": 0.75},
        "origins": {"collected": 1.0, "synthesized": 1.0},
    }
    return StageMixture.model_validate(parts | changes)


def config(**changes):
    parts = {"languages": ("en",), "long_text_words": 10, "stages": {"sft": shares()}}
    return MixturesConfig.model_validate(parts | changes)


def verdict(name, kept):
    return {"id": name, "stage": "s", "kept": kept, "rule": None, "value": None, "threshold": None}


def corpus():
    """Three collected pictures and five synthesized pairs; one of each is held out."""
    rows, texts = [], []
    for name, split in (("t1", "train"), ("t2", "train"), ("t3", "heldout")):
        rows.append(sample(name, task="t2i", split=split, template=None))
        texts += [text(name, "original"), text(name, "structured", words=20)]
    for number in range(1, 6):
        name, split = f"e{number}", "heldout" if number == 5 else "train"
        rows.append(sample(name, split=split))
        texts += [text(name, kind) for kind in ("detailed", "concise", "user_like")]
        texts.append(text(name, "concise", lang="zh"))
    return samples_of(*rows), texts_of(*texts)


def test_a_row_has_the_keys_of_the_cache():
    samples = samples_of(sample("e1", sources=("b", "a")))
    (row,) = sample_texts(samples, texts_of(text("e1", "concise")), side=64, long_text_words=10).to_dicts()
    assert row["text_key"] == "e1-concise-en"
    assert row["target_key"] == "target-e1@64x64"
    assert row["source_keys"] == ["b@64x64", "a@64x64"], "references keep the order of the prompt"
    assert row["bucket"] == "i2i|2|64x64|short"


def test_long_texts_have_buckets_of_their_own():
    texts = texts_of(text("e1", "concise", words=10), text("e1", "detailed", words=11))
    rows = sample_texts(samples_of(sample("e1")), texts, side=64, long_text_words=10)
    assert dict(rows.select("text_kind", "bucket").iter_rows()) == {
        "concise": "i2i|1|64x64|short",
        "detailed": "i2i|1|64x64|long",
    }


def test_tasks_and_origins_have_their_shares_whatever_their_numbers():
    samples, texts = corpus()
    rows = sample_texts(samples, texts.filter(pl.col("lang") == "en"), side=64, long_text_words=10)
    train = mix(rows, shares()).filter(pl.col("split") == "train")
    by_task = dict(train.group_by("task").agg(pl.col("weight").sum()).iter_rows())
    assert by_task["t2i"] == pytest.approx(0.25)
    assert by_task["i2i"] == pytest.approx(0.75)
    doubled = mix(rows, shares(origins={"collected": 2.0, "synthesized": 1.0}))
    by_task = dict(
        doubled.filter(pl.col("split") == "train").group_by("task").agg(pl.col("weight").sum()).iter_rows()
    )
    assert by_task["t2i"] == pytest.approx(0.5 / 1.25)


def test_captions_have_their_shares_within_a_sample():
    samples, texts = corpus()
    rows = sample_texts(samples, texts.filter(pl.col("lang") == "en"), side=64, long_text_words=10)
    mixture = mix(rows, shares())
    picture = mixture.filter(pl.col("sample_id") == "t1")
    weights = dict(picture.select("text_kind", "weight").iter_rows())
    assert weights["original"] / weights["structured"] == pytest.approx(0.5 / 0.3)
    pair = mixture.filter(pl.col("sample_id") == "e1")
    assert pair["weight"].n_unique() == 1, (
        "what an edit lacks of captions falls to its instructions, all alike"
    )
    assert len(pair) == 3


def test_samples_of_a_kind_weigh_alike_however_many_texts_they_have():
    samples, texts = corpus()
    fewer = texts.filter((pl.col("lang") == "en") & ~pl.col("text_id").is_in(["e1-detailed-en"]))
    mixture = mix(sample_texts(samples, fewer, side=64, long_text_words=10), shares())
    edits = mixture.filter((pl.col("task") == "i2i") & (pl.col("split") == "train"))
    per_sample = edits.group_by("sample_id").agg(pl.col("weight").sum())["weight"]
    assert per_sample.to_list() == pytest.approx([0.75 / 4] * 4)


def test_each_split_sums_to_one():
    samples, texts = corpus()
    mixture = mix(sample_texts(samples, texts, side=64, long_text_words=10), shares())
    for _, rows in mixture.group_by("split"):
        assert rows["weight"].sum() == pytest.approx(1)


def test_a_share_of_nothing_draws_nothing():
    samples, texts = corpus()
    mixture = mix(
        sample_texts(samples, texts, side=64, long_text_words=10), shares(tasks={"t2i": 0.0, "i2i": 1.0})
    )
    assert set(mixture["task"]) == {"i2i"}
    no_structure = {"original": 1.0, "structured": 0.0, "instructive": 1.0}
    mixture = mix(sample_texts(samples, texts, side=64, long_text_words=10), shares(captions=no_structure))
    assert "structured" not in set(mixture["text_kind"])


def test_dropped_samples_and_samples_of_dropped_images_stay_out():
    samples = samples_of(
        sample("kept", sources=("good",)),
        sample("itself", sources=("good",)),
        sample("source", sources=("good", "bad")),
        sample("target", sources=("good",)),
    )
    verdicts = pl.DataFrame(
        [
            verdict("good", True),
            verdict("bad", False),
            verdict("itself", False),
            verdict("target-target", False),
        ],
        schema=dict(VERDICTS),
    )
    assert without_dropped(samples, verdicts)["sample_id"].to_list() == ["kept"]


def test_a_sample_that_came_twice_counts_once():
    twice = samples_of(sample("e1"), sample("e1"))
    assert len(without_dropped(twice, pl.DataFrame(schema=dict(VERDICTS)))) == 1


def test_a_cut_group_is_an_error():
    samples = samples_of(sample("e1", group="g"), sample("e2", group="g", split="heldout"))
    with pytest.raises(CutGroupError, match="the first is g"):
        check_groups(samples)


def write_corpus(lake, samples, texts):
    lake.write_table("samples/raw/b0.parquet", samples.filter(pl.col("task") == "t2i"), SAMPLES)
    lake.write_table("samples/synthesized.parquet", samples.filter(pl.col("task") == "i2i"), SAMPLES)
    lake.write_table("texts/raw/b0.parquet", texts, TEXTS)
    verdicts = pl.DataFrame([verdict("e2", False)], schema=dict(VERDICTS))
    lake.write_table("verdicts/postfiltered.parquet", verdicts, VERDICTS)
    hand_on(lake)


def test_mixtures_are_written_for_each_stage_in_the_languages_that_are_read(lake):
    write_corpus(lake, *corpus())
    two = config(stages={"sft": shares(), "ct": shares(tasks={"t2i": 1.0, "i2i": 0.0})})
    output = build_mixtures(lake, two, silent)
    assert output.files == ("mixtures/ct.parquet", "mixtures/sft.parquet")
    sft = lake.read_table(mixture_path("sft"), MIXTURE)
    assert set(sft["sample_id"]) == {"t1", "t2", "t3", "e1", "e3", "e4", "e5"}
    assert not any(key.endswith("zh") for key in sft["text_key"])
    assert output.facts["stages"]["sft"] == {"rows": len(sft), "samples": 7}
    assert set(lake.read_table(mixture_path("ct"), MIXTURE)["task"]) == {"t2i"}


def test_samples_without_a_readable_text_are_counted(lake):
    samples, texts = corpus()
    write_corpus(lake, samples, texts.filter(~pl.col("sample_id").is_in(["t1"])))
    assert build_mixtures(lake, config(), silent).facts["samples_without_text"] == 1


def test_mixtures_do_not_depend_on_the_order_of_tables(lake, tmp_path):
    samples, texts = corpus()
    write_corpus(lake, samples, texts)
    build_mixtures(lake, config(), silent)
    first = lake.read_bytes(mixture_path("sft"))
    write_corpus(lake, samples.reverse(), texts.reverse())
    build_mixtures(lake, config(), silent)
    assert lake.read_bytes(mixture_path("sft")) == first
    assert_frame_equal(lake.read_table(mixture_path("sft")), pl.read_parquet(first))


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": {"sft": shares().model_dump() | {"side": 60}}},
        {"languages": ()},
        {"languages": ("de",)},
        {"stages": {"rlhf": shares()}},
        {"stages": {"sft": shares().model_copy(update={"tasks": {"t2i": 0, "i2i": 0}}).model_dump()}},
    ],
)
def test_a_mixture_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"side|languages|stages"):
        config(**changes)
