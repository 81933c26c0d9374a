"""The rating pages without a browser: what is stored, who sees what, and that nothing names a model."""

import io
import re
import struct
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from rating_study import MODELS, invited, make_study, served, signed_in

from benchmarks.rating.app import create_app
from benchmarks.rating.pages import next_open
from benchmarks.rating.ratings import answers_of
from benchmarks.rating.store import every_point, invite, open_store
from benchmarks.rating.study import card_order, item_order

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
ORIGIN = "http://127.0.0.1"


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    return folder, make_study(folder)


@pytest.fixture
def place(study_folder, tmp_path):
    """The study, a store of its own, the application, and the tokens of two raters."""
    folder, study = study_folder
    url, tokens = invited(tmp_path, study, ["anna", "ben"])
    return study, open_store(url), create_app(folder / "study", open_store(url), ORIGIN), tokens


def client_of(app, token=None):
    client = TestClient(app, base_url=ORIGIN)
    return signed_in(client, token) if token else client


def form_of(page, action):
    part = page.split(f'action="{action}"')[1].split("</form>")[0]
    return dict(HIDDEN.findall(part))


def answers(page, point=3):
    return {name: str(point) for name in re.findall(r'type="radio" name="([^"]+)" value="1"', page)}


def rate(client, number, point=3):
    page = client.get(f"/items/{number}").text
    form = form_of(page, f"/items/{number}") | answers(page, point)
    return client.post(f"/items/{number}", data=form, follow_redirects=False), form


def test_ratings_are_stored_with_the_order_that_was_shown(place):
    study, engine, app, (token, _) = place
    client = client_of(app, token)
    response, _ = rate(client, 1, point=4)
    assert (response.status_code, response.headers["location"]) == (303, "/items/2")
    item = item_order(study, 1)[0]
    stored = answers_of(engine, study)
    assert set(stored["point"]) == {4}
    assert set(stored["item_id"]) == {item.item_id}
    order = [card.key for card in card_order(study, 1, item)]
    assert dict(stored.select("position", "card").iter_rows()) == dict(enumerate(order))


def test_a_double_submit_is_stored_once_and_looks_the_same(place):
    _, engine, app, (token, _) = place
    client = client_of(app, token)
    first, form = rate(client, 1)
    again = client.post("/items/1", data=form, follow_redirects=False)
    assert (again.status_code, again.headers["location"]) == (303, first.headers["location"])
    assert len({row["submission_id"] for row in every_point(engine, place[0].study_id)}) == 1


def test_an_old_page_with_other_answers_loses_nothing(place):
    study, engine, app, (token, _) = place
    client = client_of(app, token)
    page = client.get("/items/1").text
    old = form_of(page, "/items/1")
    rate(client, 1, point=2)
    late = client.post("/items/1", data=old | answers(page, 5))
    assert late.status_code == 409
    assert "another window" in late.text
    assert late.text.count(" checked") == len(answers(page))  # what was sent is still chosen
    renewed = form_of(late.text, "/items/1") | answers(page, 5)
    assert client.post("/items/1", data=renewed, follow_redirects=False).status_code == 303
    current = answers_of(engine, study).filter("current")
    assert set(current["point"]) == {5}


def test_missing_answers_are_named_and_what_was_given_is_kept(place):
    _, engine, app, (token, _) = place
    client = client_of(app, token)
    page = client.get("/items/1").text
    given = answers(page)
    left = given.popitem()[0]
    response = client.post("/items/1", data=form_of(page, "/items/1") | given)
    assert response.status_code == 422
    assert f"picture {left[0].upper()}" in response.text
    assert response.text.count(" checked") == len(given)
    assert every_point(engine, place[0].study_id) == []


@pytest.mark.parametrize("value", ["0", "6", "-1", "3.0", "x", ""])
def test_answers_off_the_scale_are_missing(place, value):
    client = client_of(place[2], place[3][0])
    page = client.get("/items/1").text
    form = form_of(page, "/items/1") | answers(page, 3) | {"a.consistency": value}
    assert client.post("/items/1", data=form).status_code == 422


def test_undo_takes_the_last_item_back_and_shows_what_was_chosen(place):
    study, engine, app, (token, _) = place
    client = client_of(app, token)
    response, _ = rate(client, 1, point=4)
    page = client.get(response.headers["location"]).text
    form = form_of(page, "/items/1/undo")
    for _ in range(2):  # a double click
        back = client.post("/items/1/undo", data=form, follow_redirects=False)
        assert (back.status_code, back.headers["location"]) == (303, "/items/1")
    again = client.get("/items/1").text
    assert again.count(" checked") == len(answers(again))
    assert "0 rated" in again
    assert answers_of(engine, study).filter("current").is_empty()
    assert rate(client, 1)[0].status_code == 303


def test_raters_resume_where_they_were(place):
    _, _, app, (token, _) = place
    rate(client_of(app, token), 1)
    again = client_of(app, token)
    assert again.get("/", follow_redirects=False).headers["location"] == "/items/2"
    assert "1 of 6" in again.get("/overview").text


def test_the_last_item_leads_to_the_overview(place):
    study, _, app, (token, _) = place
    client = client_of(app, token)
    for number in range(1, len(study.items) + 1):
        response, _ = rate(client, number)
    assert response.headers["location"] == "/overview"
    assert "Thank you" in client.get("/overview").text


@pytest.mark.parametrize(("rated", "number", "expected"), [
    ([True, False, False], 1, 2), ([True, True, False], 1, 3), ([False, True, True], 3, 1),
    ([True, True, True], 2, None), ([False, True, True], 2, 1),
])  # fmt: skip
def test_the_next_item_is_the_next_open_one(rated, number, expected):
    assert next_open(rated, number) == expected


def test_no_rater_sees_the_ratings_of_another(place):
    _, _, app, (first, second) = place
    rate(client_of(app, first), 1, point=5)
    other = client_of(app, second)
    for number in range(1, 7):
        assert " checked" not in other.get(f"/items/{number}").text
    assert "0 of 6" in other.get("/overview").text
    for path in ("/results", "/results.json", "/ratings.csv"):
        assert other.get(path).status_code == 403
        assert client_of(app).get(path).status_code == 401


def test_a_form_of_another_rater_is_refused(place):
    _, engine, app, (first, second) = place
    page = client_of(app, first).get("/items/1").text
    other = client_of(app, second)
    stolen = form_of(page, "/items/1") | answers(other.get("/items/1").text)
    assert other.post("/items/1", data=stolen).status_code == 403
    assert every_point(engine, place[0].study_id) == []


@pytest.mark.parametrize("change", [{"revision": "2"}, {"shown": "1"}, {"signature": ""}, {"signature": "é"}])
def test_a_changed_form_is_refused(place, change):
    client = client_of(place[2], place[3][0])
    page = client.get("/items/1").text
    form = form_of(page, "/items/1") | answers(page) | change
    assert client.post("/items/1", data=form).status_code == 403
    assert client.post("/items/2", data=form_of(page, "/items/1") | answers(page)).status_code == 403


def test_requests_of_other_sites_are_refused(place):
    _, _, app, (token, _) = place
    client = client_of(app)
    sent = client.post("/join", data={"token": token}, headers={"sec-fetch-site": "cross-site"})
    assert sent.status_code == 403
    rebound = TestClient(app, base_url="http://evil.example")
    assert rebound.get(f"/join/{token}").status_code == 400


@pytest.mark.parametrize(("body", "status"), [(b"a=" + b"x" * 70_000, 413), (b"\xff\xfe=1", 400),
                                               (b"&".join([b"a=1"] * 600), 400)])  # fmt: skip
def test_bodies_that_are_no_form_are_refused(place, body, status):
    client = client_of(place[2], place[3][0])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/items/1", content=body, headers=headers).status_code == status


def test_without_an_invitation_nothing_is_shown(place):
    client = client_of(place[2])
    for path in ("/", "/items/1", "/overview", "/items/1/a.png"):
        response = client.get(path)
        assert response.status_code == 401
        assert "invitation" in response.text
    assert client.get("/join/guess").status_code == 404
    assert client.post("/join", data={"token": "guess"}).status_code == 404


def test_opening_an_invitation_signs_nobody_in(place):
    client = client_of(place[2])
    page = client.get(f"/join/{place[3][0]}")
    assert page.status_code == 200
    assert "Begin" in page.text
    assert "set-cookie" not in page.headers


def test_cookies_are_out_of_reach_of_scripts_and_of_plain_http(study_folder, tmp_path):
    folder, study = study_folder
    url, (token,) = invited(tmp_path, study, ["anna"])
    app = create_app(folder / "study", open_store(url), "https://rate.example.org")
    client = TestClient(app, base_url="https://rate.example.org")
    cookie = client.post("/join", data={"token": token}, follow_redirects=False).headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Secure"))


def test_nothing_that_a_rater_receives_names_a_model(place):
    study, _, app, tokens = place
    for token in tokens:
        client = client_of(app, token)
        for number in range(1, len(study.items) + 1):
            page = client.get(f"/items/{number}")
            pictures = [
                client.get(path) for path in sorted(set(re.findall(r'src="(/items[^"]+)"', page.text)))
            ]
            assert len(pictures) >= len(MODELS) + 1
            for response in (page, *pictures):
                everything = f"{response.url} {response.headers}".encode() + response.content
                assert not any(model.encode() in everything for model in MODELS)
                assert {"etag", "last-modified", "content-disposition"}.isdisjoint(response.headers)
            assert len({len(picture.content) for picture in pictures}) == 1
            assert len({picture.content for picture in pictures}) == len(pictures)
            assert {Image.open(io.BytesIO(p.content)).size for p in pictures} == {(64, 48)}
            assert all(chunks(p.content) <= {b"IHDR", b"IDAT", b"faDe", b"IEND"} for p in pictures)


def chunks(data):
    found, at = set(), 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.add(data[at + 4 : at + 8])
        at += length + 12
    return found


def test_addresses_say_only_where_a_picture_stands(place):
    study, _, app, tokens = place
    seen = []
    for token in tokens:
        page = client_of(app, token).get("/items/1").text
        seen.append(re.findall(r'(?:src|href)="(/items/[^"]+)"', page))
        count = len(item_order(study, len(seen))[0].cards)
        places = {f"/items/1/{name}.png" for name in ["source1", *"abcd"[:count]]}
        assert set(seen[-1]) == places


def test_pages_are_never_kept_and_pictures_only_for_their_rater(place):
    client = client_of(place[2], place[3][0])
    page, picture = client.get("/items/1"), client.get("/items/1/a.png")
    assert page.headers["cache-control"] == "no-store"
    assert picture.headers["cache-control"].startswith("private")
    assert picture.headers["vary"] == "Cookie"
    for response in (page, picture):
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/items/0", "/items/7", "/items/-1", "/items/1/e.png", "/items/1/..%2f.png",
                                  "/nothing"])  # fmt: skip
def test_what_is_not_there_is_not_found(place, path):
    assert client_of(place[2], place[3][0]).get(path).status_code == 404


def test_the_organiser_sees_results_and_rates_nothing(place):
    study, engine, app, (token, _) = place
    rate(client_of(app, token), 1)
    organiser = client_of(app, invite(engine, study.study_id, label="me", organiser=True)[1])
    assert organiser.get("/", follow_redirects=False).headers["location"] == "/results"
    page = organiser.get("/results")
    assert page.status_code == 200
    assert "model 1" in page.text
    assert not any(model in page.text for model in MODELS)
    assert organiser.get("/results.json").json()["coverage"]["pages_rated"] == 1
    assert organiser.get("/ratings.csv").status_code == 403  # it would name the models
    assert organiser.get("/items/1").status_code == 403


def test_once_complete_the_organiser_sees_names_and_answers(place):
    study, engine, app, tokens = place
    for token in tokens:
        client = client_of(app, token)
        for number in range(1, len(study.items) + 1):
            rate(client, number)
    organiser = client_of(app, invite(engine, study.study_id, label="me", organiser=True)[1])
    assert all(model in organiser.get("/results").text for model in MODELS)
    assert organiser.get("/ratings.csv").text.count("\n") == 1 + answers_of(engine, study).height


def test_thirty_raters_at_once_lose_and_double_nothing(study_folder, tmp_path):
    folder, study = study_folder
    url, tokens = invited(tmp_path, study, [f"rater {n}" for n in range(30)])

    def work(address, token):
        with httpx.Client(base_url=address, timeout=60) as client:
            signed_in(client, token)
            for number in range(1, len(study.items) + 1):
                _, form = rate(client, number, point=number % 5 + 1)
                client.post(f"/items/{number}", data=form, follow_redirects=False)  # each page twice
            return client.get("/overview").text

    with served(folder / "study", url) as address, ThreadPoolExecutor(30) as pool:
        overviews = list(pool.map(lambda token: work(address, token), tokens))
    assert all("Thank you" in page for page in overviews)
    stored = answers_of(open_store(url), study)
    assert stored["current"].all()
    cards = sum(len(item.cards) for item in study.items)
    assert stored.height == 30 * cards * len(study.dimensions)
    assert stored.select("rater", "item_id", "card", "dimension").is_unique().all()
    for rater in range(1, 31):
        for number, item in enumerate(item_order(study, rater), start=1):
            mine = stored.filter(rater=rater, item_id=item.item_id)
            assert set(mine["point"]) == {number % 5 + 1}
