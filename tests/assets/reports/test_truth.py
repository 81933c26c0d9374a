import polars as pl
import pytest
from small_lake import record, table, verdict

from assets.corpora.demo.corpus import TRUTH
from assets.corpora.demo.defects import BROKEN, COPIES, DEGRADED
from assets.lake.schemas import RECORDS, VERDICTS
from assets.reports.truth import FILTER_OF, score_filters


def truth(**defect_of: tuple[str, str | None]) -> pl.DataFrame:
    rows = [
        {"record_id": f"r-{name}", "defect": defect, "parent_record_id": parent and f"r-{parent}"}
        for name, (defect, parent) in defect_of.items()
    ]
    return table(TRUTH, *rows)


def scores(names: str, planted: pl.DataFrame, deduped=(), filtered=(), unreadable: str = "") -> dict:
    records = [record(name, None if name in unreadable else f"i-{name}") for name in names]
    return score_filters(
        table(RECORDS, *records), table(VERDICTS, *deduped), table(VERDICTS, *filtered), planted
    )


def test_every_defect_but_the_rotated_one_has_its_filter():
    planted = {"exact_copy", "collage", *COPIES, *DEGRADED, *BROKEN}
    assert planted - set(FILTER_OF) == {"exif_rotated"}
    assert set(FILTER_OF) <= planted


def test_a_filter_is_scored_on_the_files_that_it_decides():
    found = scores(
        "abcdef",
        truth(a=("blur", None), b=("blur", None), c=("code", None)),
        filtered=[
            verdict("i-a", "filtered", "blur"),  # planted and found
            verdict("i-b", "filtered", "codes"),  # planted, found by another
            verdict("i-c", "filtered", "codes"),
            verdict("i-d", "filtered", "blur"),  # a clean picture
            verdict("i-e", "filtered"),
        ],
    )
    assert found["blur"] == {"precision": 0.5, "recall": 0.5, "found": 2, "planted": 2}
    assert found["codes"] == {"precision": 0.5, "recall": 1.0, "found": 2, "planted": 1}
    assert found["noise"] == {"precision": None, "recall": None, "found": 0, "planted": 0}


def test_an_unreadable_file_was_found_broken():
    found = scores("abc", truth(a=("truncated", None), b=("not_an_image", None)), unreadable="abc")
    assert found["truncated"]["recall"] == 1.0
    assert found["truncated"]["precision"] == pytest.approx(2 / 3)


def test_any_one_of_a_picture_and_its_copies_may_stay():
    copies = truth(b=("resized", "a"), c=("mirrored", "a"))
    for dropped in ("ab", "bc", "ac"):
        verdicts = [verdict(f"i-{name}", "deduped", "pdq") for name in dropped]
        assert scores("abc", copies, deduped=verdicts)["duplicates"] == {
            "precision": 1.0,
            "recall": 1.0,
            "found": 2,
            "planted": 2,
        }


def test_dropping_a_whole_family_or_a_picture_without_copies_costs_precision():
    verdicts = [verdict(f"i-{name}", "deduped", "pdq") for name in "abd"]
    found = scores("abcd", truth(b=("resized", "a")), deduped=verdicts)["duplicates"]
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), 1.0)


def test_a_second_file_of_equal_bytes_is_found_by_its_record():
    records = table(RECORDS, record("a", "i-a"), record("again", "i-a"))
    exact = [verdict("i-a", "deduped"), verdict("r-again", "deduped", "exact_bytes")]
    found = score_filters(
        records, table(VERDICTS, *exact), table(VERDICTS), truth(again=("exact_copy", "a"))
    )["duplicates"]
    assert (found["precision"], found["recall"]) == (1.0, 1.0)
