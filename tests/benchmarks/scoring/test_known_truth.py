import numpy as np
import polars as pl
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from toy_suite import BlendEditor, codec, items, picture

from benchmarks.scoring.figures import rank_models
from benchmarks.scoring.known_truth import (
    EDITOR_SCORES,
    METRICS,
    copying_scores,
    editor_figures,
    kind_figures,
    latent_errors,
    long_scores,
    score_against_truth,
)
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import MEASURED
from benchmarks.suites.item import BenchItem, checked_suite, picture_of_pixels
from models.similarity.pair_metrics import psnr


def scored(share: float, name: str = "editor", evaluator=None) -> pl.DataFrame:
    suite = checked_suite(items())
    outputs = dict(zip([item.sample_id for item in suite], BlendEditor(share).edit(suite), strict=True))
    return score_against_truth(name, suite, outputs, codec=codec(), evaluator=evaluator)


def test_psnr_is_that_of_scikit_image():
    first, second = picture("a"), picture("b")
    assert psnr(first, second) == pytest.approx(
        peak_signal_noise_ratio(first, second, data_range=255), abs=1e-9
    )


def test_psnr_has_a_ceiling_that_equal_pictures_reach():
    equal, nearly = picture("a", 512, 512), picture("a", 512, 512).copy()
    nearly[0, 0, 0] ^= 1
    assert peak_signal_noise_ratio(equal, nearly, data_range=255) > 107
    assert psnr(equal, nearly) == psnr(equal, equal) == 100.0


def test_a_latent_error_is_what_the_codec_says_of_one_picture_at_a_time():
    coder = codec()
    pairs = [(picture("a"), picture("b")), (picture("c", 16, 24), picture("d", 16, 24))]
    found = latent_errors(coder, [one for one, _ in pairs], [other for _, other in pairs])
    for error, pair in zip(found, pairs, strict=True):
        one, other = (
            coder.encode(torch.tensor(p.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]) for p in pair
        )
        assert error == pytest.approx(float(((one - other) ** 2).mean()), rel=1e-5)


def test_the_truth_has_no_error_and_copying_has_that_of_copying():
    perfect, copying = scored(1.0), scored(0.0)
    assert perfect.schema == EDITOR_SCORES
    assert perfect["model_error"].max() == 0.0
    assert copying["model_error"].to_list() == copying["copy_error"].to_list()
    assert copying["psnr"].to_list() == copying["copy_psnr"].to_list()


def test_the_evaluator_sees_source_instruction_and_output_of_each_sample():
    def evaluator(sources, instructions, outputs):
        return [
            float(source.mean() - output.mean() + len(instruction))
            for source, instruction, output in zip(sources, instructions, outputs, strict=True)
        ]

    suite = checked_suite(items())
    expected = [
        float(item.sources[0].pixels().mean() - item.truth.pixels().mean() + len(item.instruction))
        for item in suite
    ]
    assert scored(1.0, evaluator=evaluator)["evaluator"].to_list() == expected
    assert scored(1.0)["evaluator"].null_count() == len(suite)


def rows(*figures: tuple[str, str, float, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "editor": editor,
                "sample_id": str(number),
                "kind": kind,
                "category": "c",
                "model_error": error,
                "copy_error": copying,
                "psnr": 20.0,
                "copy_psnr": 10.0,
                "evaluator": None,
            }
            for number, (editor, kind, error, copying) in enumerate(figures)
        ],
        schema=EDITOR_SCORES,
    )


def compared(table: pl.DataFrame) -> tuple[dict, dict, list[str]]:
    """Returns figures by kind and by editor, and the editors, best first."""
    suite = [
        BenchItem(name, kind, "c", "x", (picture_of_pixels("s", picture(name)),))
        for name, kind in table.select("sample_id", "kind").unique(maintain_order=True).iter_rows()
    ]
    editors = table["editor"].unique(maintain_order=True).to_list()
    figures, tasks = summarise(long_scores(suite, table), METRICS, seed=0, bootstraps=2)
    copying = summarise(copying_scores(suite, table), METRICS, seed=0, bootstraps=2)
    kinds = kind_figures(tasks, copying[1], editors)
    told = editor_figures(figures, copying[0], kinds, editors)
    return kinds, {row["editor"]: row for row in told}, rank_models(figures, METRICS[0], MEASURED, editors)


def test_a_kind_counts_once_however_many_samples_it_has():
    _, editors, _ = compared(rows(("e", "a", 1.0, 2.0), ("e", "a", 2.0, 2.0), ("e", "b", 0.1, 1.0)))
    found = editors["e"]
    assert found["model_error"] == pytest.approx((1.5 + 0.1) / 2)
    assert found["copy_error"] == pytest.approx((2.0 + 1.0) / 2)
    assert found["of_copying"] == pytest.approx(0.8 / 1.5)
    assert (found["kinds"], found["samples"], found["evaluator"]) == (2, 3, None)


def test_the_share_of_kinds_counts_means_of_kinds():
    kinds, editors, _ = compared(
        rows(("e", "a", 3.0, 2.0), ("e", "a", 0.5, 2.0), ("e", "b", 1.0, 1.0), ("e", "c", 0.0, 1.0))
    )
    assert editors["e"]["share_beating_copying"] == pytest.approx(2 / 3)  # b only equals copying
    assert [kinds[kind]["e"]["beats_copying"] for kind in "abc"] == [True, False, True]


def test_the_champion_has_the_lowest_mean_error_and_a_tie_goes_to_the_earlier():
    def best_first(*errors: tuple[str, float]) -> list[str]:
        tables = [rows((name, "a", error, 1.0)) for name, error in errors]
        return compared(pl.concat(tables))[2]

    assert best_first(("pretrain", 0.3), ("sft", 0.1), ("nft", 0.2)) == ["sft", "nft", "pretrain"]
    assert best_first(("sft", 0.1 + 1e-12), ("nft", 0.1)) == ["sft", "nft"]


def test_every_kind_shows_model_and_copy_error_of_every_editor():
    table = pl.concat([scored(0.5, "sft"), scored(1.0, "nft")])
    nested, _, _ = compared(table)
    assert sorted(nested) == ["darken", "invert", "mirror"]
    for kind, figures in nested.items():
        assert list(figures) == ["sft", "nft"]
        assert (
            0 == figures["nft"]["model_error"] < figures["sft"]["model_error"] < figures["sft"]["copy_error"]
        )
        assert figures["nft"]["samples"] == 4
        own = table.filter((pl.col("editor") == "sft") & (pl.col("kind") == kind))
        for name in ("model_error", "copy_error", "psnr", "copy_psnr"):
            assert figures["sft"][name] == pytest.approx(own[name].mean())


def test_an_output_of_another_size_than_its_truth_is_refused():
    suite = checked_suite(items())
    halves = {item.sample_id: item.truth.pixels()[::2] for item in suite}
    with pytest.raises(ValueError, match=r"gave \(16, 32, 3\), expected \(32, 32, 3\)"):
        score_against_truth("half", suite, halves, codec=codec(), evaluator=None)
