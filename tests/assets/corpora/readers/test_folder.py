import json

import pytest

from assets.corpora.config import ColumnsConfig, CorpusConfig
from assets.corpora.readers.folder import FolderReader
from assets.corpora.readers.reader import CorpusSource, RawSample, Unit


def corpus(folder, files, *rows, name="metadata.jsonl"):
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return CorpusSource(str(folder))


def samples(source) -> dict[str, RawSample]:
    units, _ = FolderReader().list_units(source)
    return {
        unit[0]: sample
        for unit in units.iter_rows()
        for sample in FolderReader().read_unit(source, Unit(*unit))
        if isinstance(sample, RawSample)
    }


def test_metadata_is_joined_by_name_and_may_say_little(tmp_path):
    rows = [{"file_name": "a.png", "text": "a cat", "split": "heldout", "license": "MIT"}, {"file_name": "b"}]
    read = samples(corpus(tmp_path, ["a.png", "b"], *rows))
    assert [text.text for text in read["a.png"].texts] == ["a cat"]
    assert (read["a.png"].split, read["a.png"].license) == ("heldout", "MIT")
    assert (read["b"].split, read["b"].license, read["b"].texts) == (None, None, ())
    assert read["a.png"].target.load() == b"a.png"


def test_metadata_in_a_subfolder_describes_the_files_there(tmp_path):
    read = samples(
        corpus(tmp_path, ["train/a.png"], {"file_name": "a.png", "text": "x"}, name="train/metadata.jsonl")
    )
    assert list(read) == ["train/a.png"]
    assert read["train/a.png"].texts[0].text == "x"


@pytest.mark.parametrize("split", ["validation", "val", "test", "dev"])
def test_a_split_that_is_not_for_training_is_held_out(tmp_path, split):
    assert samples(corpus(tmp_path, ["a"], {"file_name": "a", "split": split}))["a"].split == "heldout"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "x"},
        {"file_name": 3},
        {"file_name": "../a"},
        {"file_name": "gone"},
        {"file_name": "a", "split": "x"},
    ],
)
def test_a_line_that_fits_no_file_is_named_and_the_file_comes_in_without_it(tmp_path, row):
    source = corpus(tmp_path, ["a", "b"], {"file_name": "b", "text": "y"}, row)
    units, left_out = FolderReader().list_units(source)
    assert units["unit"].to_list() == ["a", "b"]
    assert units["row"].is_null().to_list() == [True, False]
    assert [one.where for one in left_out] == ["metadata.jsonl:2"]
    assert left_out[0].reason


def test_columns_may_have_any_name(tmp_path):
    source = corpus(
        tmp_path, ["a"], {"file_name": "a", "prompt": "x", "licence": "MIT", "kind": "Dog", "topic": 3}
    )
    columns = ColumnsConfig(
        target="image",
        texts=("prompt",),
        license="licence",
        category="kind",
        categories={"Dog": "nature/animals"},
    )
    (sample,) = samples(source._replace(columns=columns)).values()
    assert (sample.texts[0].text, sample.license) == ("x", "MIT")
    assert (sample.category, sample.subcategory) == ("nature", "animals")


def test_sources_that_do_not_fit_the_reader_are_refused():
    entry = {"name": "c", "path": "c", "license": "-"}
    with pytest.raises(ValueError, match="reader pairs"):
        CorpusConfig.model_validate(
            {**entry, "reader": "folder", "columns": {"target": "b", "sources": ["a"]}}
        )
    with pytest.raises(ValueError, match=r"columns\.sources"):
        CorpusConfig.model_validate({**entry, "reader": "pairs", "columns": {"target": "b"}})
