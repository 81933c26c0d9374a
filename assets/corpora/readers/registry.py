"""All readers by the name that a profile gives them."""

from collections.abc import Mapping

from assets.corpora.config import CorpusConfig
from assets.corpora.readers.columns import PRESETS
from assets.corpora.readers.files import corpus_root
from assets.corpora.readers.firered import FireRedReader
from assets.corpora.readers.folder import FolderReader
from assets.corpora.readers.pairs import PairsReader
from assets.corpora.readers.parquet import ParquetReader
from assets.corpora.readers.reader import CorpusSource, Reader
from assets.corpora.readers.webdataset import WebDatasetReader
from assets.lake.lake import Lake

READERS: Mapping[str, Reader] = {
    "folder": FolderReader(),
    "pairs": PairsReader(),
    "parquet": ParquetReader(),
    "webdataset": WebDatasetReader(),
    "firered": FireRedReader(),
}


def reader_of(lake: Lake, corpus: CorpusConfig) -> tuple[Reader, CorpusSource]:
    """Returns the reader of a corpus, and where and what it reads."""
    columns = PRESETS[corpus.preset] if corpus.preset is not None else corpus.columns
    return READERS[corpus.reader], CorpusSource(corpus_root(lake, corpus), columns)
