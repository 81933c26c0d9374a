"""What every reader must do, whatever its format."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from corpora_by_others import WRITERS, Written, picture

from assets.corpora.batches import discover_batches
from assets.corpora.config import CorpusConfig
from assets.corpora.ingest import ingest_batch
from assets.corpora.readers.reader import UNITS, CorpusSource, MissingCorpusError, RawSample, Unit
from assets.corpora.readers.registry import READERS
from assets.lake.ids import content_id
from assets.lake.images import iterate_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from models.common.progress import silent
from orchestration.profile import load_profile


class Corpus:
    """A corpus of one format on disk."""

    def __init__(self, root: Path, name: str) -> None:
        reader, write = WRITERS[name]
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.reader_name, self.reader = root, reader, READERS[reader]
        self.written: Written = write(root)

    @property
    def source(self) -> CorpusSource:
        return CorpusSource(str(self.root), self.written.columns)

    def units(self) -> pl.DataFrame:
        return self.reader.list_units(self.source).units

    def read(self, source: CorpusSource | None = None) -> list[RawSample]:
        source = source or self.source
        units, left_out = self.reader.list_units(source)
        assert left_out == []
        samples = [one for unit in units.iter_rows() for one in self.reader.read_unit(source, Unit(*unit))]
        assert all(isinstance(sample, RawSample) for sample in samples), samples
        return samples  # pyright: ignore[reportReturnType]


@pytest.fixture(params=list(WRITERS))
def corpus(request, tmp_path) -> Corpus:
    return Corpus(tmp_path / "corpus", request.param)


def content(sample: RawSample):
    texts = tuple(text.text for text in sample.texts)
    sources = tuple(image.load() for image in sample.sources)
    return sources, sample.target.load(), texts, sample.category, sample.subcategory


def test_everything_that_was_written_comes_in_unchanged(corpus):
    assert sorted(map(content, corpus.read())) == sorted(corpus.written.samples)


def test_units_have_names_of_their_own_and_the_columns_of_the_schema(corpus):
    units = corpus.units()
    assert units.schema == pl.Schema(dict(UNITS))
    assert units["unit"].n_unique() == units.height
    assert units["unit"].is_sorted()
    assert (units["size"] > 0).all()
    assert (units["version"] != "").all()


def test_listing_and_reading_again_give_the_same(corpus):
    assert corpus.units().equals(corpus.units())
    first, second = (list(map(content, corpus.read())) for _ in range(2))
    assert first == second


def test_images_have_paths_and_sizes_of_their_own(corpus):
    images = {image.path: image for sample in corpus.read() for image in (*sample.sources, sample.target)}
    assert all(image.size == len(image.load()) for image in images.values())
    assert {image.load() for image in images.values()} == {
        data for sources, target, *_ in corpus.written.samples for data in (*sources, target)
    }


def test_a_bucket_is_read_like_a_folder(corpus):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.rm("/bucket", recursive=True) if memory.exists("/bucket") else None
    memory.put(str(corpus.root), "/bucket/corpus", recursive=True)
    if corpus.reader_name == "firered":  # its third line has the path of a file on this machine
        pytest.skip("absolute paths of one machine lie outside a corpus in a bucket")
    read = corpus.read(corpus.source._replace(root="memory://bucket/corpus"))
    assert sorted(map(content, read)) == sorted(corpus.written.samples)


def test_a_missing_folder_is_named(corpus, tmp_path):
    with pytest.raises(MissingCorpusError):
        corpus.reader.list_units(CorpusSource(str(tmp_path / "nowhere")))


def test_an_empty_folder_has_no_units(corpus, tmp_path):
    (tmp_path / "empty").mkdir()
    assert corpus.reader.list_units(CorpusSource(str(tmp_path / "empty"))).units.is_empty()


def test_a_changed_file_changes_its_units_alone(corpus):
    before = corpus.units()
    changed = next(
        path for path in sorted(corpus.root.rglob("*")) if path.suffix in (".png", ".parquet", ".gz", ".tar")
    )
    os.utime(changed, (1, 1))
    after = corpus.units()
    different = before.join(after, on=list(UNITS), how="anti", nulls_equal=True)
    assert different.height == 1
    assert after.height == before.height


def config(corpus: Corpus):
    entry = CorpusConfig(
        name="c",
        path=str(corpus.root),
        reader=corpus.reader_name,
        license="CC0",
        columns=corpus.written.columns,
    )
    return load_profile("demo").corpora.model_copy(update={"corpora": (entry,)})


def ingest(lake: Lake, corpus: Corpus, workers: int = 1):
    for batch in discover_batches(lake, config(corpus)):
        ingest_batch(lake, config(corpus), batch, workers=workers, progress=silent)
    folders = (("records", RECORDS), ("samples/raw", SAMPLES), ("texts/raw", TEXTS))
    return tuple(lake.read_tables(folder, schema) for folder, schema in folders)


def test_ingest_keeps_every_sample_with_its_images_and_texts(corpus, lake):
    _records, samples, texts = ingest(lake, corpus)
    stored = dict(pair for shard in lake.list("images", ".parquet") for pair in iterate_shard(lake, shard))
    said = dict(texts.group_by("sample_id").agg(pl.col("text").sort()).iter_rows())
    found = [
        (
            tuple(stored[image_id] for image_id in row["source_ids"]),
            stored[row["target_id"]],
            said.get(row["sample_id"], []),
            row["task"],
        )
        for row in samples.iter_rows(named=True)
    ]
    expected = [
        (sources, target, sorted(said_of), "i2i" if sources else "t2i")
        for sources, target, said_of, *_ in corpus.written.samples
    ]
    assert sorted(found) == sorted(expected)


def test_a_broken_image_costs_its_sample_alone_and_has_a_reason(corpus, lake):
    broken = corpus.written.samples[0][1]
    for path in corpus.root.rglob("*"):
        if path.suffix == ".png" and path.read_bytes() == broken:
            path.write_bytes(b"no image" + bytes(100))
            break
    else:
        pytest.skip("its images lie in files of many samples")
    records, samples, _ = ingest(lake, corpus)
    assert records["error"].is_not_null().sum() == 1
    uses = [sample for sample in corpus.written.samples if broken in (*sample[0], sample[1])]
    assert samples.height == len(corpus.written.samples) - len(uses)
    assert content_id(broken) not in records["image_id"].to_list()


def test_a_truncated_file_of_many_samples_is_a_record_with_a_reason(corpus, lake):
    containers = [
        path for path in sorted(corpus.root.rglob("*")) if path.suffix in (".parquet", ".tar", ".gz")
    ]
    if not containers:
        pytest.skip("each of its images is a file")
    containers[0].write_bytes(containers[0].read_bytes()[: containers[0].stat().st_size // 2])
    records, samples, _ = ingest(lake, corpus)
    refused = records.filter(pl.col("image_id").is_null())
    assert refused.height >= 1
    assert refused["error"].null_count() == 0
    assert samples.height < len(corpus.written.samples)


def test_copying_a_corpus_makes_nothing_new(corpus, lake, tmp_path):
    first = ingest(lake, corpus)
    moved = tmp_path / "elsewhere"
    shutil.copytree(corpus.root, moved)
    shutil.rmtree(corpus.root)
    shutil.copytree(moved, corpus.root, copy_function=shutil.copyfile)  # with the times of now
    before = [batch.files() for batch in discover_batches(lake, config(corpus))]
    assert [batch.files() for batch in discover_batches(lake, config(corpus))] == before
    assert len(before) == 1
    assert all(table.equals(again) for table, again in zip(first, ingest(lake, corpus), strict=True))


def test_an_instruction_of_equal_length_is_another_one(lake, tmp_path):
    """Its file has another time and the same size, as after a copy: what it says decides."""
    pair = Corpus(tmp_path / "pairs", "pairs")
    ingest(lake, pair)
    (pair.root / "x/one.txt").write_text("make it cyan\n")
    first, second = discover_batches(lake, config(pair))
    assert (
        first.units.filter("gone")["unit"].to_list() == second.units["unit"].to_list() == ["x/one_target.png"]
    )


def test_pictures_differ():
    assert len({picture(number) for number in range(20)}) == 20
