"""Patience with services: how long is waited, how often is asked, how much is read."""

import threading
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from loopback import as_json, chat, loopback

from models.vlm import http
from models.vlm.client import ClientUnavailableError
from models.vlm.http import Retries, checked_url, new_client, request_patiently, retry_after

RETRIES = Retries(tries=5, first_wait=1.0, longest_wait=6.0, timeout=5)


def waits(responses, retries=RETRIES):
    """Returns what came of it and the seconds that were waited between the tries."""
    slept = []
    with loopback(lambda asked, number: responses[min(number, len(responses) - 1)]) as server:
        client = new_client(retries, {})
        found = request_patiently(
            lambda: client.stream("POST", server.url), retries=retries, key="k", wait=slept.append
        )
    return found, slept


@pytest.mark.parametrize(("tries", "sent"), [(6, 4), (3, 3), (1, 1)])
def test_where_nobody_listens_the_run_stops_after_a_few_tries_and_says_what_to_do(tries, sent):
    with loopback(lambda asked, number: None) as server:
        pass  # the port is free again
    slept, retries = [], Retries(tries=tries, timeout=5)
    client = new_client(retries, {})
    with pytest.raises(ClientUnavailableError, match="Start the service, or correct its address") as caught:
        request_patiently(
            lambda: client.stream("POST", f"{server.url}/v1?key=SECRET"),
            retries=retries, key="k", wait=slept.append,
        )  # fmt: skip
    assert len(slept) == sent - 1
    assert f"Cannot connect to {server.url} ({sent} tries in a row" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_service_that_answers_in_between_is_waited_for():
    refused = httpx.ConnectError("refused", request=httpx.Request("POST", "http://127.0.0.1:9"))
    with loopback(lambda asked, number: as_json({}, 503)) as server:
        client = new_client(RETRIES, {})
        turns = iter([True, True, False, True, True])

        def send():
            if next(turns):
                raise refused
            return client.stream("POST", server.url)

        found = request_patiently(send, retries=RETRIES, key="k", wait=lambda seconds: None)
    assert (found.outcome, found.tries) == ("failed", 5)


def test_waits_double_with_jitter_and_never_exceed_their_bound():
    found, slept = waits([as_json({}, 503)])
    assert (found.outcome, found.tries, len(slept)) == ("failed", 5, 4)
    for number, seconds in enumerate(slept):
        assert 0.5 * 2**number <= seconds <= min(6.0, 2**number)
    assert waits([as_json({}, 503)])[1] == slept  # equal requests wait equally long
    assert found.note == "status 503: {} (5 tries)"


def test_a_service_may_ask_for_more_time_within_the_bound():
    _, slept = waits([as_json({}, 429, **{"retry-after": "3"}), chat("x")])
    assert slept == [3.0]
    _, slept = waits([as_json({}, 429, **{"retry-after": "9999"}), chat("x")])
    assert slept == [6.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), (" 2.5 ", 2.5), ("soon", 0), ("-3", 0), ("9" * 40, 0)],
)
def test_retry_after_is_read_as_far_as_it_is_sane(header, seconds):
    assert retry_after(header) == seconds


def test_retry_after_may_be_a_date():
    assert 50 < retry_after(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert retry_after(formatdate(time.time() - 60, usegmt=True)) == 0


def test_a_cut_connection_is_told_by_its_name():
    found, _ = waits([None])
    assert found.outcome == "failed"
    assert "RemoteProtocolError" in found.note or "ReadError" in found.note


def test_a_response_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 1000)
    found, slept = waits([(200, {}, b"x" * 5000)])
    assert (found.outcome, slept) == ("failed", [])
    assert "over 1,000 bytes" in found.note


def test_what_never_answers_is_given_up_after_its_time():
    over = threading.Event()
    retries, slept = Retries(tries=2, timeout=0.05), []
    with loopback(lambda asked, number: chat("late") if over.wait(20) else None) as server:
        client = new_client(retries, {})
        found = request_patiently(
            lambda: client.stream("POST", server.url), retries=retries, key="k", wait=slept.append
        )
        over.set()
    assert (found.outcome, found.tries, len(slept)) == ("failed", 2, 1)
    assert found.note.startswith("ReadTimeout")


@contextmanager
def dripping(again):
    """Serves a response of which one byte comes at a time, for as long as somebody reads it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            again.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "100000")
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.01)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_response_that_drips_is_given_up_though_bytes_go_on_coming():
    asked = []
    retries = Retries(tries=2, first_wait=0, timeout=5, longest=0.1)
    with dripping(asked) as url:
        client = new_client(retries, {})
        found = request_patiently(lambda: client.stream("POST", url), retries=retries, key="k")
    assert (found.outcome, len(asked)) == ("failed", 2)
    assert found.note == "the response was still coming after 0.1 seconds (2 tries)"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("api.example.com", "not an address"), ("file:///etc/passwd", "not an address"),
        ("http://", "not an address"),
        ("https://me:pw@api.example.com/v1", "must not contain a password"),
        ("https://api.example.com/v1?key=SECRET", "must not contain [?] or #"),
        ("https://api.example.com/v1#SECRET", "must not contain [?] or #"),
        ("https://api.example.com/v1?", "must not contain [?] or #"),
    ],
)  # fmt: skip
def test_addresses_are_of_the_web_and_hold_no_password(url, message):
    with pytest.raises(ValueError, match=message) as told:
        checked_url(url)
    assert "SECRET" not in str(told.value)


def test_an_address_ends_without_a_slash():
    assert checked_url("http://127.0.0.1:8000/v1/") == "http://127.0.0.1:8000/v1"
