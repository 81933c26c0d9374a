"""The rating pages in headless Chromium: two raters, 20 items, keyboard only."""

import pytest
from browser import By, Keys, WebDriverWait, browser, webdriver
from rating_study import MODELS, invited, make_study, served

from benchmarks.rating.ratings import answers_of
from benchmarks.rating.store import open_store
from benchmarks.rating.study import card_order, item_order
from models.common.seeding import numpy_generator

ITEMS = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    study = make_study(folder, count=ITEMS)
    url, tokens = invited(folder, study, ["anna", "ben", "carla", "dora"])
    with served(folder / "study", url) as address:
        yield study, open_store(url), [f"{address}/join/{token}" for token in tokens]


def press(driver, *keys):
    webdriver.ActionChains(driver).send_keys(*keys).perform()


def begin(driver, link):
    driver.get(link)
    press(driver, Keys.TAB, Keys.ENTER)
    wait_for(driver, "/items/1")


def wait_for(driver, path):
    WebDriverWait(driver, 20).until(lambda d: d.current_url.endswith(path))
    WebDriverWait(driver, 20).until(lambda d: d.execute_script("return document.readyState") == "complete")


def chosen(driver):
    script = "return [...document.querySelectorAll('input:checked')].map((one) => one.value).join('')"
    return driver.execute_script(script)


def keys_for(study, rater, number):
    """The answers that a rater gives on a page, one digit a question."""
    item = item_order(study, rater)[number - 1]
    count = len(item.cards) * len(study.dimensions)
    return "".join(map(str, numpy_generator(0, "keys", rater, number).integers(1, 6, count)))


def rate_everything(driver, study, rater):
    addresses = []
    for number in range(1, ITEMS + 1):
        press(driver, keys_for(study, rater, number))
        addresses += driver.execute_script(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        )
        press(driver, Keys.ENTER)
        wait_for(driver, f"/items/{number + 1}" if number < ITEMS else "/overview")
    return addresses


@pytest.mark.slow
def test_two_raters_rate_everything_by_keyboard(site, tmp_path):
    study, engine, links = site
    addresses, log = [], []
    for rater in (1, 2):
        with browser(tmp_path / str(rater)) as driver:
            begin(driver, links[rater - 1])
            addresses += rate_everything(driver, study, rater)
            assert "Thank you" in driver.page_source
            log += driver.get_log("browser")
    stored = (
        answers_of(engine, study)
        .filter("current", rater=1)
        .vstack(answers_of(engine, study).filter("current", rater=2))
    )
    cards = sum(len(item.cards) for item in study.items)
    assert stored.height == 2 * cards * len(study.dimensions)
    for rater in (1, 2):
        for number, item in enumerate(item_order(study, rater), start=1):
            page = {
                (r["position"], r["dimension"]): r
                for r in stored.filter(rater=rater, item_id=item.item_id).to_dicts()
            }
            asked = [(p, d.key) for p in range(len(item.cards)) for d in study.dimensions]
            assert "".join(str(page[question]["point"]) for question in asked) == keys_for(
                study, rater, number
            )
            shown = [page[p, study.dimensions[0].key]["card"] for p in range(len(item.cards))]
            assert shown == [card.key for card in card_order(study, rater, item)]
    orders = [
        [[card.key for card in card_order(study, rater, item)] for item in study.items] for rater in (1, 2)
    ]
    assert orders[0] != orders[1]
    assert addresses
    assert not any(model in address for model in MODELS for address in addresses)
    assert log == []  # neither errors of scripts nor of the content policy


def test_reload_and_back_lose_nothing(site, tmp_path):
    study, engine, links = site
    keys = keys_for(study, 3, 1)
    with browser(tmp_path / "profile") as driver:
        begin(driver, links[2])
        press(driver, keys[:3])
        driver.refresh()
        wait_for(driver, "/items/1")
        assert chosen(driver) == keys[:3]
        press(driver, keys[3:], Keys.ENTER)  # goes on at the first open question
        wait_for(driver, "/items/2")
        press(driver, "45")
        driver.back()
        wait_for(driver, "/items/1")
        assert chosen(driver) == keys
        driver.forward()
        wait_for(driver, "/items/2")
        assert chosen(driver) == "45"
    item = item_order(study, 3)[0]
    stored = answers_of(engine, study).filter("current", rater=3)
    assert stored["item_id"].unique().to_list() == [item.item_id]


def test_undo_takes_back_an_answer_then_the_saved_page(site, tmp_path):
    study, engine, links = site
    keys = keys_for(study, 4, 1)
    with browser(tmp_path / "profile") as driver:
        begin(driver, links[3])
        press(driver, "15", "u", "u", keys, Keys.ENTER)
        wait_for(driver, "/items/2")
        press(driver, "u")
        wait_for(driver, "/items/1")
        assert chosen(driver) == keys
        assert answers_of(engine, study).filter("current", rater=4).is_empty()
        press(driver, Keys.ENTER)
        wait_for(driver, "/items/2")
    stored = answers_of(engine, study).filter("current", rater=4)
    assert set(stored["revision"]) == {3}


def test_a_phone_without_scripts_rates_by_keyboard_too(site, tmp_path):
    study, engine, links = site
    rater, number = 4, 5
    with browser(tmp_path / "profile", width=390, height=844, scripts=False) as driver:
        driver.get(links[3])
        press(driver, Keys.TAB, Keys.ENTER)
        WebDriverWait(driver, 20).until(lambda d: "/items/" in d.current_url)
        driver.get(driver.current_url.rsplit("/", 1)[0] + f"/{number}")
        assert driver.find_elements(By.CSS_SELECTOR, "fieldset.current") == []  # the script did not run
        groups = len(driver.find_elements(By.TAG_NAME, "fieldset"))
        driver.find_element(By.CSS_SELECTOR, "fieldset input").send_keys(Keys.SPACE)
        for _ in range(groups - 1):
            while driver.switch_to.active_element.get_attribute("type") != "radio" or is_chosen(driver):
                press(driver, Keys.TAB)
            press(driver, Keys.SPACE, Keys.ARROW_RIGHT)
        press(driver, Keys.ENTER)
        WebDriverWait(driver, 20).until(lambda d: not d.current_url.endswith(f"/{number}"))
    item = item_order(study, rater)[number - 1]
    stored = answers_of(engine, study).filter("current", rater=rater, item_id=item.item_id)
    assert sorted(stored["point"]) == [1] + [2] * (groups - 1)


def is_chosen(driver):
    return driver.switch_to.active_element.is_selected()


def test_comparing_shows_the_source_while_space_is_held(site, tmp_path):
    with browser(tmp_path / "profile") as driver:
        driver.get(site[2][2])
        press(driver, Keys.TAB, Keys.ENTER)
        WebDriverWait(driver, 20).until(lambda d: "/items/" in d.current_url)
        WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "fieldset.current"))
        press(driver, "c")
        title = driver.find_element(By.CSS_SELECTOR, "dialog strong")
        letter = title.text
        assert letter.startswith("Picture")
        webdriver.ActionChains(driver).key_down(Keys.SPACE).perform()
        assert title.text == "Source"
        webdriver.ActionChains(driver).key_up(Keys.SPACE).perform()
        assert title.text == letter
        press(driver, "c")
        assert not driver.find_element(By.TAG_NAME, "dialog").is_displayed()
