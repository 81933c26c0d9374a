"""What ratings amount to, against ImagenHub's published figures and closed forms."""

import io
import math

import numpy as np
import polars as pl
import pytest

from benchmarks.perf.viescore_release import read_rated
from benchmarks.rating.agreement import agreement
from benchmarks.rating.comparisons import pair_rows, position_rows, strength_rows
from benchmarks.rating.print_results import print_results
from benchmarks.rating.ratings import ANSWERS, answers_of, to_csv
from benchmarks.rating.render import results_file
from benchmarks.rating.results import results
from benchmarks.rating.store import Point, open_store, submit
from benchmarks.rating.study import DIMENSIONS, Card, Dimension, Study, StudyItem, card_order
from models.common.seeding import numpy_generator

EDITING = "ImagenHub_Text-Guided_IE"
MODELS = ("crimson", "umber", "viridian")


def study_of(models, item_ids, *, dimensions=DIMENSIONS, scale=(1, 2, 3, 4, 5), raters=1, sentinel=None):
    cards = [Card(key=model, kind="output", model=model, file="x") for model in models]
    if sentinel == "unedited":
        cards.append(Card(key="sentinel:unedited", kind="unedited", model=None, file="x"))
    if sentinel == "duplicate":
        cards.append(Card(key="sentinel:duplicate", kind="duplicate", model=models[0], file="x"))
    items = tuple(
        StudyItem(
            item_id=item, cluster=item, instruction="x", lang="en", sources=("x",), width=1, height=1,
            cards=tuple(cards), missing={},
        )
        for item in item_ids
    )  # fmt: skip
    return Study(
        title="t", seed=0, scale=scale, dimensions=dimensions, raters=raters, models=tuple(models),
        items=items, left_out={},
    )  # fmt: skip


def rate(engine, study, rater, item, point_of):
    """Stores a page; `point_of(card key, dimension, position)` is what the rater answers."""
    points = [
        Point(card.key, dimension.key, position, point_of(card.key, dimension.key, position))
        for position, card in enumerate(card_order(study, rater, item))
        for dimension in study.dimensions
    ]
    outcome = submit(
        engine, study.study_id, rater=rater, item_id=item.item_id, revision=1, points=points, seconds=2.0
    )
    assert outcome == "stored"


@pytest.fixture
def engine(tmp_path):
    return open_store(f"sqlite:///{tmp_path / 'ratings.sqlite'}")


def find(rows, **wanted):
    (row,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


def test_imagenhubs_ratings_give_imagenhubs_figures(shared_data, engine):
    rated = read_rated(shared_data("bench/viescore/human"), EDITING)
    dimensions = tuple(
        Dimension(key=key, name=key.upper(), question="?", lowest="bad", highest="good")
        for key in ("sc", "pq")
    )
    scale = (0.0, 0.5, 1.0)
    study = study_of(
        list(rated[0]), list(rated[0]["MagicBrush"]), dimensions=dimensions, scale=scale, raters=3
    )
    for rater, ratings in enumerate(rated, start=1):
        for item in study.items:
            rate(
                engine, study, rater, item,
                lambda card, key, _, r=ratings, i=item: 1 + scale.index(r[card][i.item_id][key == "pq"]),
            )  # fmt: skip
    found = results(study, answers_of(engine, study))
    assert found["complete"]
    rows = [find(found["means"], dimension=d, model="MagicBrush") for d in ("sc", "pq", "overall")]
    assert [round(row["mean"], 2) for row in rows] == [0.51, 0.65, 0.47]
    assert [round(row["spread"], 2) for row in rows] == [0.01, 0.06, 0.02]
    assert all(row["low"] < row["mean"] < row["high"] for row in rows)
    agreed = find(found["agreement"], dimension="overall", model="MagicBrush")
    assert (round(agreed["kappa"], 2), round(agreed["alpha_interval"], 2)) == (0.44, 0.67)
    assert (agreed["kappa_items"], agreed["kappa_ratings"]) == (179, 3)
    for model, figures in {
        "InstructPix2Pix": (0.28, 0.70, 0.27),
        "CycleDiffusion": (0.17, 0.56, 0.14),
        "Prompt2prompt": (0.17, 0.55, 0.15),
        "SDEdit": (0.04, 0.56, 0.04),
    }.items():
        means = [find(found["means"], dimension=d, model=model)["mean"] for d in ("sc", "pq", "overall")]
        assert tuple(round(mean, 2) for mean in means) == figures
    imagic = find(found["agreement"], dimension="overall", model="Imagic")
    assert (imagic["kappa"], imagic["alpha_interval"], imagic["alpha_ordinal"]) == (None, None, None)
    strongest = max((r for r in found["strengths"] if r["dimension"] == "sc"), key=lambda r: r["strength"])
    assert strongest["model"] == "MagicBrush"
    page = results_file(found)
    assert "MagicBrush" in page
    assert "179 of 179 items" in page
    assert "built-in" not in page


def test_models_are_named_once_every_item_has_its_raters(engine):
    study = study_of(MODELS, ["i", "j"], raters=2)
    for rater, item in ((1, 0), (1, 1), (2, 0)):
        rate(engine, study, rater, study.items[item], lambda *_: 3)
    blind = results(study, answers_of(engine, study))
    assert not blind["complete"]
    assert not any(model in str(blind) for model in MODELS)
    assert blind["models"] == ["model 1", "model 2", "model 3"]
    rate(engine, study, 2, study.items[1], lambda *_: 3)
    named = results(study, answers_of(engine, study))
    assert named["models"] == list(MODELS)
    assert list(dict.fromkeys(row["dimension"] for row in named["strengths"])) == [
        "prompt_following", "consistency", "overall",
    ]  # fmt: skip


def test_a_study_without_ratings_has_results(engine):
    study = study_of(MODELS, ["i"])
    found = results(study, answers_of(engine, study))
    assert found["means"] == found["pairs"] == found["raters"] == []
    assert "Nobody has rated" in results_file(found)


def test_wins_ties_and_strengths_count_pages(engine):
    study = study_of(MODELS[:2], [str(n) for n in range(8)])
    for number, item in enumerate(study.items):
        winner = (
            {0: "crimson", 1: "crimson", 2: "crimson", 3: "umber"}.get(number % 4) if number < 4 else None
        )
        rate(engine, study, 1, item, lambda card, *_, w=winner: 5 if card == w else 3)
    found = results(study, answers_of(engine, study))
    pair = find(found["pairs"], dimension="consistency")
    assert (pair["first"], pair["wins"], pair["ties"], pair["losses"]) == ("crimson", 3, 4, 1)
    rate_row = find(found["strengths"], dimension="consistency", model="crimson")
    assert rate_row["win_rate"] == pytest.approx(5 / 8)
    assert rate_row["win_rate_low"] < 5 / 8 < rate_row["win_rate_high"]
    other = find(found["strengths"], dimension="consistency", model="umber")
    assert rate_row["strength"] * other["strength"] == pytest.approx(1)
    assert rate_row["strength"] > 1


def test_the_overall_is_the_geometric_mean_of_a_card(engine):
    study = study_of(MODELS[:1], ["i"])
    rate(engine, study, 1, study.items[0], lambda _, key, __: 5 if key == "consistency" else 2)
    found = results(study, answers_of(engine, study))
    assert find(found["means"], dimension="overall")["mean"] == pytest.approx(math.sqrt(10))


def test_a_missing_output_counts_as_the_lowest_point_in_its_own_column(engine):
    study = study_of(MODELS[:2], ["i"])
    study = study.model_copy(update={"left_out": {"j": {"crimson": "no output"}}})
    rate(engine, study, 1, study.items[0], lambda *_: 5)
    found = results(study, answers_of(engine, study))
    crimson = find(found["means"], dimension="consistency", model="crimson")
    assert (crimson["mean"], crimson["missing"], crimson["missing_worst"]) == (5, 1, 3)
    umber = find(found["means"], dimension="consistency", model="umber")
    assert (umber["mean"], umber["missing"], umber["missing_worst"]) == (5, 0, 5)


def test_items_of_one_cluster_are_one_draw(engine):
    def width(clusters):
        study = study_of(MODELS[:1], [str(n) for n in range(16)])
        items = tuple(
            item.model_copy(update={"cluster": str(n // clusters)}) for n, item in enumerate(study.items)
        )
        study = study.model_copy(update={"items": items})
        for number, item in enumerate(study.items):
            rate(engine, study, 1, item, lambda *_, n=number: 1 if n < 8 else 5)
        row = find(results(study, answers_of(engine, study))["means"], dimension="consistency")
        return row["high"] - row["low"]

    assert width(8) > 1.5 * width(1)


def test_sentinels_tell_who_does_not_look_and_count_nowhere_else(engine):
    study = study_of(MODELS[:2], ["i", "j"], sentinel="unedited")
    right = {"prompt_following": 1, "consistency": 5}

    def attentive(card, key, _):
        return right[key] if card.startswith("sentinel") else 3

    for item in study.items:
        rate(engine, study, 1, item, attentive)
        rate(engine, study, 2, item, lambda *_: 3)
    found = results(study, answers_of(engine, study))
    assert [row["unedited_right"] for row in found["raters"]] == [1.0, 0.0]
    assert found["attention"]["unedited_right"] == 0.5
    assert {row["mean"] for row in found["means"]} == {3.0}


def test_the_gap_between_equal_pictures_is_told(engine):
    study = study_of(MODELS[:2], ["i"], sentinel="duplicate")
    rate(engine, study, 1, study.items[0], lambda card, *_: 5 if card.startswith("sentinel") else 3)
    found = results(study, answers_of(engine, study))
    assert found["raters"][0]["duplicate_gap"] == 2.0
    assert found["raters"][0]["unedited_right"] is None


def test_a_strict_rater_has_a_negative_offset(engine):
    study = study_of(MODELS, [str(n) for n in range(4)])
    base = {"crimson": 5, "umber": 4, "viridian": 3}
    for rater, less in ((1, 0), (2, 0), (3, 1)):
        for item in study.items:
            rate(engine, study, rater, item, lambda card, *_, d=less: base[card] - d)
    rows = {row["rater"]: row for row in results(study, answers_of(engine, study))["raters"]}
    assert rows[3]["offset"] == pytest.approx(-1.0)
    assert rows[1]["offset"] == pytest.approx(0.5)
    assert all(row["correlation"] == pytest.approx(1.0) for row in rows.values())
    assert rows[1]["median_seconds"] == 2.0


def table(values):
    """Answers of one dimension from (pages, places) values, every model at a random place."""
    generator = numpy_generator(0, "places")
    rows = []
    for page, line in enumerate(values):
        for place, (value, model) in enumerate(zip(line, generator.permutation(MODELS), strict=True)):
            rows.append(
                {
                    **dict.fromkeys(ANSWERS),
                    "submission": page, "rater": 1, "item_id": str(page), "cluster": str(page), "card": model,
                    "kind": "output", "model": model, "position": place, "dimension": "consistency",
                    "value": float(value),
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=ANSWERS)


def test_a_lean_to_the_first_place_is_found():
    noise = numpy_generator(0, "noise").normal(0, 1, (200, 3))
    (row,) = position_rows(table(noise + np.array([0.5, 0, 0])), seed=0)
    assert row["p"] == 0.001
    assert row["leans"][0] > 0.2
    assert sum(row["leans"]) == pytest.approx(0)


def test_without_a_lean_the_p_value_is_uniform():
    draws = [numpy_generator(0, "noise", n).integers(1, 6, (25, 3)) for n in range(60)]
    values = sorted(position_rows(table(draw), seed=0)[0]["p"] for draw in draws)
    gap = max(abs(value - (n + 0.5) / 60) for n, value in enumerate(values))
    assert gap < 0.2  # Kolmogorov and Smirnov: 1 % of uniform samples of 60 are further off


def test_agreement_uses_the_most_common_number_of_ratings():
    nan = np.nan
    ratings = np.array([[1, 2, 3, 1], [1, 2, nan, 1], [nan, nan, 3, nan]])
    found = agreement(ratings)
    assert (found["kappa_items"], found["kappa_ratings"]) == (4, 2)
    assert found["kappa"] == pytest.approx(1.0)
    alone = agreement(ratings[:1])
    assert (alone["kappa"], alone["alpha_ordinal"]) == (None, None)


def test_pairs_need_both_outputs_on_one_page():
    answers = table(np.ones((4, 3))).filter((pl.col("model") != "umber") | (pl.col("submission") > 1))
    pairs = pair_rows(answers)
    assert find(pairs, first="crimson", second="umber")["ties"] == 2
    assert find(pairs, first="crimson", second="viridian")["ties"] == 4
    assert all(row["win_rate"] == 0.5 for row in strength_rows(answers, pairs, seed=0))


def test_the_export_holds_replaced_and_withdrawn_answers_too(engine):
    study = study_of(MODELS[:2], ["i", "j"])
    for item in study.items:
        rate(engine, study, 1, item, lambda *_: 3)
    submit(engine, study.study_id, rater=1, item_id="i", revision=2, points=[], seconds=1.0)
    rows = pl.read_csv(io.StringIO(to_csv(answers_of(engine, study))))
    assert rows.columns == list(ANSWERS)
    assert rows.filter("current")["item_id"].unique().to_list() == ["j"]
    assert rows["action"].to_list() == ["rated"] * 8 + ["undone"]
    assert rows["value"].drop_nulls().to_list() == [3.0] * 8


def test_results_can_be_printed(engine, capsys):
    from rich.console import Console

    study = study_of(MODELS, ["i"])
    rate(engine, study, 1, study.items[0], lambda *_: 4)
    print_results(results(study, answers_of(engine, study)), Console(width=200))
    assert "viridian" in capsys.readouterr().out
