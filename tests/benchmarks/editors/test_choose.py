"""Editors: services, diffusers folders, registered models, and which of them a word means."""

import base64
import io
from email.parser import BytesParser

import numpy as np
import pytest
from loopback import as_json, loopback
from mlflow import MlflowClient
from PIL import Image
from toy_bench import item
from toy_pipeline import save_toy_pipeline
from toy_suite import picture

from benchmarks.editors.choose import Sampling, chosen_editor
from benchmarks.editors.endpoint import EndpointEditor
from benchmarks.editors.pipeline import PipelineEditor
from benchmarks.editors.registered import RegisteredEditor
from benchmarks.editors.run import EditFailedError, run_editor
from benchmarks.suites.item import MissingPictureError, Picture, SuiteError, picture_of_pixels
from models.common.pixels import encode_jpeg, encode_png
from models.common.progress import silent
from models.common.seeding import derived_seed
from models.registry.registry import promote, register_version
from models.vlm import http
from models.vlm.client import ClientUnavailableError
from models.vlm.http import Retries

FAST = Retries(tries=3, first_wait=0.001, longest_wait=0.01, timeout=20)
EDITED = picture("edited", 24, 40)


def service(url, **how):
    settings = {"num_inference_steps": 7, "true_cfg_scale": 4.0}
    return EndpointEditor(
        "gpt-image", url=f"{url}/v1/", key="SECRET", seed=5, settings=settings, hosts=how.pop("hosts", ()),
        retries=FAST,
    )  # fmt: skip


def coded(pixels=EDITED):
    return as_json({"data": [{"b64_json": base64.b64encode(encode_png(pixels)).decode()}]})


def parts_of(asked):
    """The fields of a multipart form: (name, file name, content)."""
    head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + asked.body)
    found = []
    for part in message.get_payload():
        told = part.get_params(header="content-disposition")
        fields = dict(told)
        found.append((fields["name"], fields.get("filename"), part.get_payload(decode=True)))
    return found


def test_a_service_gets_picture_instruction_and_a_seed_of_the_sample():
    one = item("s7")
    with loopback(lambda asked, number: coded()) as server:
        editor = service(server.url)
        (output,) = editor.edit([one])
    np.testing.assert_array_equal(output, EDITED)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/images/edits")
    assert asked.headers["authorization"] == "Bearer SECRET"
    fields = parts_of(asked)
    told = {name: content.decode() for name, file, content in fields if file is None}
    assert told == {
        "model": "gpt-image", "n": "1", "prompt": "Edit s7", "num_inference_steps": "7",
        "true_cfg_scale": "4.0", "seed": str(derived_seed(5, "noise", "s7") % 2**31),
    }  # fmt: skip
    ((name, file, content),) = [field for field in fields if field[1]]
    assert (name, file) == ("image", "0.png")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), one.sources[0].pixels())
    assert "SECRET" not in str(editor.settings)
    assert editor.settings["seed"] == 5


def test_several_sources_go_as_a_list_in_their_order():
    two = tuple(picture_of_pixels(name, picture(name)) for name in "ab")
    with loopback(lambda asked, number: coded()) as server:
        service(server.url).edit([item(sources=two)])
    files = [(name, file) for name, file, _ in parts_of(server.asked[0]) if file]
    assert files == [("image[]", "0.png"), ("image[]", "1.png")]


def test_a_picture_behind_an_address_is_fetched_from_the_service_itself():
    def answer(asked, number):
        if asked.method == "GET":
            return 200, {"content-type": "image/jpeg"}, encode_jpeg(EDITED, 95)
        return as_json({"data": [{"url": f"http://{asked.headers['host']}/files/1.jpg"}]})

    with loopback(answer) as server:
        (output,) = service(server.url).edit([item()])
    assert output.shape == EDITED.shape
    assert "authorization" not in server.asked[1].headers


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data", "http://localhost:1/x.png", "file:///etc/passwd",
        "//evil/x.png", "http://127.0.0.1:1@evil.example/x.png", "ftp://127.0.0.1/x.png", "",
    ],
)  # fmt: skip
def test_a_service_cannot_make_us_fetch_from_elsewhere(address):
    with loopback(lambda asked, number: as_json({"data": [{"url": address}]})) as server:
        with pytest.raises(EditFailedError, match=r"from which nothing is fetched|without an image"):
            service(server.url).edit([item()])
        assert len(server.asked) == 1


def test_other_hosts_are_fetched_from_where_they_are_named_and_no_further():
    with loopback(lambda asked, number: (302, {"location": "http://127.0.0.1:1/"}, b"")) as moved:
        host = moved.url.removeprefix("http://")
        found = as_json({"data": [{"url": f"{moved.url}/x.png"}]})
        fetched = pytest.raises(EditFailedError, match="could not be fetched")
        with loopback(lambda asked, number: found) as server, fetched:
            service(server.url, hosts=[host]).edit([item()])
        assert len(moved.asked) == 1


@pytest.mark.parametrize(
    "response",
    [
        as_json({}), as_json({"data": []}), as_json({"data": [{}]}), as_json({"data": [{"b64_json": "%%%"}]}),
        as_json({"data": [{"b64_json": base64.b64encode(b"no picture").decode()}]}), as_json([]),
        as_json({"data": [{"b64_json": base64.b64encode(encode_png(EDITED)[:500]).decode()}]}),
        (200, {}, b"<html>"),
        as_json({"error": {"code": "content_policy_violation"}}, 400), as_json({}, 500),
    ],
)  # fmt: skip
def test_what_is_no_picture_fails_that_sample(response):
    with loopback(lambda asked, number: response) as server, pytest.raises(EditFailedError):
        service(server.url).edit([item()])


def test_a_huge_answer_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 100)
    too_long = pytest.raises(EditFailedError, match="over 100 bytes")
    with loopback(lambda asked, number: coded()) as server, too_long:
        service(server.url).edit([item()])


def test_a_wrong_key_stops_the_run():
    with loopback(lambda asked, number: as_json({}, 401)) as server, pytest.raises(ClientUnavailableError):
        service(server.url).edit([item()])


@pytest.mark.parametrize(
    "response",
    [
        as_json({"error": {"message": "Authorization: Bearer SECRET is no key for this image"}}, 400),
        as_json({"error": "SECRET"}, 500),
        as_json({"data": [{"url": "http://SECRET@elsewhere/SECRET.png"}]}),
        as_json({"data": [{"url": "http://SECRET/x.png"}]}),
    ],
)
def test_a_key_that_a_service_repeats_is_not_kept_with_the_failure(response, tmp_path):
    with loopback(lambda asked, number: response) as server:
        made = run_editor([item("a")], service(server.url), folder=tmp_path / "run", batch=1, progress=silent)
    assert made.problems["a"].startswith("the editor failed")
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()


def test_a_service_that_nobody_runs_stops_the_run():
    with loopback(lambda asked, number: None) as server:
        pass  # the port is free again
    with pytest.raises(ClientUnavailableError, match="Cannot connect"):
        service(server.url).edit([item()])


def test_copy_hands_the_first_source_back():
    one = item("a")
    np.testing.assert_array_equal(choose("copy").edit([one])[0], one.sources[0].pixels())
    with pytest.raises(EditFailedError, match="no such source"):
        choose("copy").edit([item(sources=(Picture("gone", gone),))])


def gone():
    raise MissingPictureError("there is no such source")


def test_a_missing_source_fails_that_sample_before_anything_is_sent():
    lost = item(sources=(Picture("gone", gone),))
    with loopback(lambda asked, number: coded()) as server:
        with pytest.raises(EditFailedError, match="no such source"):
            service(server.url).edit([lost])
        assert server.asked == []


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return save_toy_pipeline(tmp_path_factory.mktemp("editors") / "pipeline")


def folder_editor(folder, size="source", cfg=None):
    return PipelineEditor(folder, identity="x", seed=3, steps=2, size=size, cfg=cfg)


BIG = {"size": (64, 96), "instruction": "make the picture darker."}


def test_a_diffusers_folder_edits_the_same_alone_and_in_a_batch(pipeline):
    items = [item(str(number), **BIG) for number in range(3)]
    editor = folder_editor(pipeline)
    together = editor.edit(items)
    for one, output in zip(items, together, strict=True):
        assert output.shape == (64, 96, 3)
        assert np.abs(editor.edit([one])[0].astype(int) - output).max() <= 1
    assert not np.array_equal(together[0], together[1])


def test_the_size_policy_and_the_scale_are_settings(pipeline):
    assert folder_editor(pipeline, size="model").settings == {
        "model": "x", "seed": 3, "steps": 2, "size": "model", "cfg": None,
    }  # fmt: skip
    (output,) = folder_editor(pipeline, size="model").edit([item(**BIG)])
    assert output.ndim == 3
    with pytest.raises(TypeError, match="has no guidance argument"):
        folder_editor(pipeline, cfg=4.0).edit([item(**BIG)])


def test_a_missing_source_fails_a_sample_of_a_folder_too(pipeline):
    with pytest.raises(EditFailedError, match="no such source"):
        folder_editor(pipeline).edit([item(sources=(Picture("gone", gone),))])


def test_a_folder_that_does_not_load_is_no_failure_of_samples(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    with pytest.raises(SuiteError, match="cannot be loaded as a pipeline"):
        folder_editor(tmp_path).edit([item()])


@pytest.fixture(scope="module")
def registry(tmp_path_factory, pipeline):
    home = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{home}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("demo", artifact_location=str(home / "artifacts"))
    run = client.create_run(experiment).info.run_id
    tags = {"git_commit": "0123456789ab", "data_digest": "fedcba"}
    told = {"stage": "sft", "card": "# A card", "tags": tags}
    version = register_version(pipeline, name="emberline-edit", tracking_uri=uri, run_id=run, **told)
    promote(version.number, name="emberline-edit", tracking_uri=uri)
    return uri


def sampling(**how):
    fields = {"seed": 3, "steps": 2, "cfg": None, "size": "model", "retries": FAST}
    return Sampling(**{**fields, **how})


def choose(spec, uri="sqlite:///none.db", **how):
    return chosen_editor(spec, sampling(**how), tracking_uri=uri, fetch_from=())


def test_a_registered_model_edits_by_its_address(registry):
    editor = choose("models:/emberline-edit@champion", registry)
    assert isinstance(editor, RegisteredEditor)
    one = item("a", **BIG)
    first, second = editor.edit([one])[0], editor.edit([one])[0]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, editor.edit([item("b", **BIG)])[0])
    with pytest.raises(EditFailedError, match="outside its vocabulary"):
        editor.edit([item("a", size=(64, 96), instruction="改成黑白")])
    assert editor.settings["uri"] == "models:/emberline-edit@champion"
    assert editor.settings["model"]
    with pytest.raises(EditFailedError, match="2 sources, and the model takes one"):
        editor.edit([item(sources=one.sources * 2)])
    with pytest.raises(EditFailedError, match="no such source"):
        editor.edit([item(sources=(Picture("gone", gone),))])


def test_words_mean_editors(pipeline, registry, monkeypatch):
    monkeypatch.setenv("EDITOR_API_KEY", "SECRET")
    assert isinstance(choose(str(pipeline)), PipelineEditor)
    editor = choose("http://127.0.0.1:9/v1#qwen", cfg=4.0)
    assert isinstance(editor, EndpointEditor)
    assert editor.settings == {
        "model": "qwen", "url": "http://127.0.0.1:9/v1", "seed": 3, "num_inference_steps": 2,
        "true_cfg_scale": 4.0,
    }  # fmt: skip


def test_a_service_is_asked_for_the_size_of_the_source_where_that_is_wanted():
    with loopback(lambda asked, number: coded()) as server:
        editor = choose(f"{server.url}/v1#m", size="source")
        editor.edit([item(size=(32, 48))])
        choose(f"{server.url}/v1#m").edit([item(size=(32, 48))])
    assert editor.settings["size"] == "source"
    sizes = [{name: content for name, _, content in parts_of(asked)}.get("size") for asked in server.asked]
    assert sizes == [b"48x32", None]


def test_the_key_of_openai_goes_to_openai_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "SECRET")
    monkeypatch.delenv("EDITOR_API_KEY", raising=False)

    def sent(spec):
        return choose(spec)._client.headers.get("authorization")

    for host in ("https://evil.example", "http://api.openai.com", "https://api.openai.com.evil.example"):
        assert sent(f"{host}/v1#m") is None
    assert sent("https://api.openai.com/v1#m") == "Bearer SECRET"
    with loopback(lambda asked, number: coded()) as server:
        choose(f"{server.url}/v1#m").edit([item()])
    assert "authorization" not in server.asked[0].headers
    monkeypatch.setenv("EDITOR_API_KEY", "OTHER")
    assert sent("https://evil.example/v1#m") == "Bearer OTHER"


@pytest.mark.parametrize(
    ("spec", "how", "message"),
    [
        ("nowhere", {}, "is not an editor. Expected models:/name@alias"),
        ("https://host/v1", {}, "names no model. Write https://host/v1#<model>"),
        ("https://me:pw@host/v1#m", {}, "must not contain a password"),
        ("models:/nothing@champion", {}, "has no models:/nothing@champion"),
        ("models:/emberline-edit@champion", {"cfg": 4.0}, "Remove --cfg and --size"),
        ("models:/emberline-edit@champion", {"size": "source"}, "Remove --cfg and --size"),
    ],
)
def test_words_that_mean_no_editor_say_what_would(registry, spec, how, message):
    with pytest.raises(SuiteError, match=message):
        choose(spec, registry, **how)
