"""New files become batches, batches become partitions, and one run takes those that are not ingested."""

import time
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image

from assets.corpora.batches import delete_batches
from assets.corpora.config import CorporaConfig
from orchestration.automation import (
    ATTEMPT_TAG,
    ATTEMPTS,
    RANGE_END,
    RANGE_START,
    RETRY_WAITS,
    batch_range,
    new_batches,
    nightly_data,
    register_batches,
    requests_for_new_batches,
)
from orchestration.definitions import build_definitions
from orchestration.home import lock_home
from orchestration.instance import open_instance
from orchestration.profile import load_profile

PARTITIONS = "ingest_batch"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "photographs"
    path.mkdir()
    return path


@pytest.fixture
def corpora(folder):
    corpus = {"name": "mine", "path": str(folder), "reader": "folder", "license": "own"}
    probe = {"seconds": 20, "memory_mib": 1024, "file_mib": 16}
    return CorporaConfig.model_validate(
        {"corpora": [corpus], "files_per_batch": 3, "shard_mib": 8, "heldout_share": 0.2, "probe": probe}
    )


@pytest.fixture
def two_corpora(corpora, folder, tmp_path):
    """The folder as corpus `a`, and another one as corpus `b`, which Dagster hears of later."""
    other = tmp_path / "others"
    other.mkdir()
    Image.new("RGB", (40, 30), (9, 9, 9)).save(other / "z.png")
    (mine,) = corpora.corpora
    both = [
        mine.model_copy(update={"name": "a"}),
        mine.model_copy(update={"name": "b", "path": str(other)}),
    ]
    return corpora.model_copy(update={"corpora": both})


@pytest.fixture
def put(folder):
    def put(*names):
        for name in names:
            Image.new("RGB", (40, 30), (len(name) * 9, 80, 40)).save(folder / f"{name}.png")

    return put


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def sense(instance, lake, corpora):
    """What the sensor asks for, as Dagster's daemon would evaluate it."""

    def sense():
        context = dg.build_sensor_context(instance=instance, resources={"lake": lake, "corpora": corpora})
        result = new_batches(context)
        return [result]

    return sense


def folder_of(corpora):
    (corpus,) = corpora.corpora
    return Path(corpus.path)


def partitions(instance):
    return list(instance.get_dynamic_partitions(PARTITIONS))


def request_range(request):
    return request.tags[RANGE_START], request.tags[RANGE_END]


def ingest(lake, instance, corpora):
    """Runs the raw assets over all batches, in this process."""
    profile = load_profile("demo").model_copy(update={"demo": None, "corpora": corpora})
    tags = batch_range(register_batches(instance, lake, corpora))
    keys = [dg.AssetKey(name) for name in ("demo_corpus", "raw_images", "raw_samples")]
    job = build_definitions(profile, lake.local_path("")).resolve_job_def("data")
    assert job.execute_in_process(instance=instance, asset_selection=keys, tags=tags).success


def test_new_files_become_partitions_and_one_run_is_asked_for(put, sense, instance):
    put("a", "b", "c", "d", "e")
    [request] = sense()
    assert partitions(instance) == ["mine-0000", "mine-0001"]
    assert request_range(request) == ("mine-0000", "mine-0001")
    [again] = sense()
    assert again.run_key == request.run_key, "the same batches would be ingested twice"


def test_an_ingested_corpus_is_left_alone_until_files_are_new(put, sense, instance, lake, corpora):
    put("a", "b", "c", "d")
    [first] = sense()
    ingest(lake, instance, corpora)
    [skipped] = sense()
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "All 2 batches are ingested."

    put("e", "f")
    [request] = sense()
    assert partitions(instance) == ["mine-0000", "mine-0001", "mine-0002"]
    assert request_range(request) == ("mine-0002", "mine-0002")
    assert request.run_key != first.run_key


def test_an_empty_corpus_asks_for_nothing(folder, sense, instance):
    [skipped] = sense()
    assert isinstance(skipped, dg.SkipReason)
    assert partitions(instance) == []


def test_the_schedule_asks_for_the_same_as_the_sensor(put, sense, instance, lake, corpora):
    put("a", "b")
    context = dg.build_schedule_context(instance=instance, resources={"lake": lake, "corpora": corpora})
    at_night = nightly_data(context)
    [request] = sense()
    assert (at_night.run_key, at_night.tags) == (request.run_key, request.tags)
    assert nightly_data.cron_schedule == "0 2 * * *"


def test_a_batch_keeps_its_files_when_others_come_before_them_by_name(put, sense, lake):
    put("m", "n", "o", "p")
    sense()
    frozen = {path: lake.read_bytes(path) for path in lake.list("batches")}
    put("a", "b")
    sense()
    assert {path: lake.read_bytes(path) for path in frozen} == frozen
    assert len(lake.list("batches", ".json")) == 3


def test_new_files_of_the_first_of_two_corpora_are_in_the_range(put, instance, lake, two_corpora):
    """Dagster orders partitions by when it heard of them, and reads a range by that order."""
    put("m")
    assert register_batches(instance, lake, two_corpora) == ["a-0000", "b-0000"]
    ingest(lake, instance, two_corpora)
    put("n")
    request = requests_for_new_batches(instance, lake, two_corpora, time.time())
    assert request_range(request) == ("a-0001", "a-0001")
    ingest(lake, instance, two_corpora)
    assert lake.list("records") == [
        "records/a-0000.parquet",
        "records/a-0001.parquet",
        "records/b-0000.parquet",
    ]


def test_batches_that_are_gone_are_partitions_no_more(put, instance, lake, corpora):
    put("a", "b", "c", "d")
    register_batches(instance, lake, corpora)
    delete_batches(lake, "mine")
    for name in ("b", "c", "d"):
        (folder_of(corpora) / f"{name}.png").unlink()
    assert register_batches(instance, lake, corpora) == partitions(instance) == ["mine-0000"]


@pytest.fixture
def data_run(instance, lake, corpora):
    """Starts the requested data run, as the daemon would."""
    profile = load_profile("demo").model_copy(update={"demo": None, "corpora": corpora})
    job = build_definitions(profile, lake.local_path("")).resolve_job_def("data")
    keys = [dg.AssetKey(name) for name in ("demo_corpus", "raw_images", "raw_samples")]

    def start(request):
        result = job.execute_in_process(
            instance=instance, asset_selection=keys, tags=request.tags, raise_on_error=False
        )
        return result.run_id

    return start


def test_a_failed_run_is_asked_again_later_and_says_why(put, data_run, instance, lake, corpora):
    put("a", "b")
    blocked = Path(lake.local_path("images"))  # a file where a folder has to be
    blocked.parent.mkdir(exist_ok=True)
    blocked.touch()
    keys, later = set(), max(RETRY_WAITS) + 60
    for attempt in range(1, ATTEMPTS + 1):
        request = requests_for_new_batches(instance, lake, corpora, time.time() + later)
        assert isinstance(request, dg.RunRequest)
        assert request.tags[ATTEMPT_TAG].startswith(f"attempt {attempt} of {ATTEMPTS}")
        keys.add(request.run_key)
        run_id = data_run(request)
        skipped = requests_for_new_batches(instance, lake, corpora, time.time())
        assert isinstance(skipped, dg.SkipReason)
        assert f"run {run_id[:8]} failed: raw_images failed: " in skipped.skip_message
        assert str(blocked) in skipped.skip_message
    assert len(keys) == ATTEMPTS, "Dagster starts one run for each key"
    skipped = requests_for_new_batches(instance, lake, corpora, time.time() + later)
    assert isinstance(skipped, dg.SkipReason)
    assert f"after {ATTEMPTS} of {ATTEMPTS} attempts" in skipped.skip_message
    assert "emberline run --job data" in skipped.skip_message

    put("c")  # other batches are another request
    blocked.unlink()
    request = requests_for_new_batches(instance, lake, corpora, time.time())
    assert isinstance(request, dg.RunRequest)
    data_run(request)
    skipped = requests_for_new_batches(instance, lake, corpora, time.time())
    assert isinstance(skipped, dg.SkipReason)
    assert "are ingested" in skipped.skip_message


def test_the_cursor_of_the_sensor_says_which_attempt_it_is(put, instance, lake, corpora):
    put("a")
    context = dg.build_sensor_context(instance=instance, resources={"lake": lake, "corpora": corpora})
    new_batches(context)
    assert context.cursor == f"attempt 1 of {ATTEMPTS}"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_nothing_is_asked_while_a_run_is_in_progress(put, sense, instance, status):
    put("a", "b")
    [request] = sense()
    run = instance.create_run_for_job(new_job(), tags=request.tags, status=status)
    [skipped] = sense()
    assert isinstance(skipped, dg.SkipReason)
    assert run.run_id[:8] in skipped.skip_message


def test_nothing_is_asked_while_a_command_line_uses_the_home(put, sense, lake):
    put("a", "b")
    with lock_home(Path(lake.local_path(""))):
        [skipped] = sense()
    assert isinstance(skipped, dg.SkipReason)
    assert isinstance(sense()[0], dg.RunRequest)


def test_a_run_that_a_person_canceled_is_not_asked_again(put, instance, lake, corpora):
    put("a", "b")
    request = requests_for_new_batches(instance, lake, corpora, time.time())
    instance.create_run_for_job(new_job(), tags=request.tags, status=dg.DagsterRunStatus.CANCELED)
    later = requests_for_new_batches(instance, lake, corpora, time.time() + max(RETRY_WAITS) + 60)
    assert isinstance(later, dg.SkipReason)
    assert "was canceled" in later.skip_message


def new_job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def data() -> None:
        nothing()

    return data
