"""Every kind of page of benchmarks and blind studies, made once for all tests that look at them."""

import importlib.util
from pathlib import Path

import httpx
import pytest
from judged_run import judged, rededit_with_two_models
from rating_study import invited, make_study, served, signed_in
from toy_suite import BlendEditor, codec, items

from benchmarks.config import BenchConfig
from benchmarks.rating.ratings import answers_of
from benchmarks.rating.render import results_file
from benchmarks.rating.results import results
from benchmarks.rating.store import Point, invite, open_store, submit
from benchmarks.rating.study import card_order
from benchmarks.report.demo import run_benchmark
from models.common.progress import silent


@pytest.fixture(scope="session")
def package_file():
    """Finds a file inside an installed package; the test skips where the package is not there."""

    def find(package: str, name: str) -> Path:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            pytest.skip(f"needs the package that holds {package}/{name}; see .ci/run")
        return Path(found.submodule_search_locations[0]) / name

    return find


@pytest.fixture(scope="session")
def rating_pages(tmp_path_factory):
    """The rating pages as a server sends them to a rater and to the organiser, and the server's address."""
    folder = tmp_path_factory.mktemp("rating")
    study = make_study(folder, count=3, raters=2)
    url, (token,) = invited(folder, study, ["anna"])
    engine = open_store(url)
    for rater in (1, 2):
        for number, one in enumerate(study.items):
            points = [
                Point(card.key, dimension.key, place, 1 + (place + number + rater) % 5)
                for place, card in enumerate(card_order(study, rater, one))
                for dimension in study.dimensions
            ]
            if (rater, number) != (1, 0):
                submit(
                    engine,
                    study.study_id,
                    rater=rater,
                    item_id=one.item_id,
                    revision=1,
                    points=points,
                    seconds=2.0,
                )
    organiser = invite(engine, study.study_id, label="me", organiser=True)[1]
    with served(folder / "study", url) as address:
        yield address, token, organiser, study, engine


@pytest.fixture(scope="session")
def pages(tmp_path_factory, rating_pages):
    """Every kind of page as a file of its own."""
    folder = tmp_path_factory.mktemp("pages")
    address, token, organiser, study, engine = rating_pages
    found = {"judged": judged(folder, rededit_with_two_models(folder)).folder / "index.html"}
    editors = {"pretrain": BlendEditor(0.3), "sft": BlendEditor(0.9)}
    suite = {"codec": codec(), "evaluator": None, "progress": silent}
    config = BenchConfig(samples_per_kind=2, seed=0, steps=2, batch=5, shown_per_kind=2)
    _, report = run_benchmark(items(2), editors, folder=folder / "demo", config=config, **suite)
    found["demo"] = report.page
    with httpx.Client(base_url=address) as rater, httpx.Client(base_url=address) as owner:
        texts = {"join": rater.get(f"/join/{token}").text, "message": rater.get("/overview").text}
        signed_in(rater, token)
        signed_in(owner, organiser)
        texts |= {"item": rater.get("/items/1").text, "overview": rater.get("/overview").text}
        texts["results"] = owner.get("/results").text
    texts["results file"] = results_file(results(study, answers_of(engine, study)))
    for name, text in texts.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(text, encoding="utf-8")
    return found
