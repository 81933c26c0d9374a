"""Checks of names and addresses, written once for profiles and command lines."""

import difflib
from collections.abc import Iterable
from urllib.parse import urlsplit


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns `Did you mean text?` for a name that is close to a known one, else the list of known names."""
    names = list(known)
    near = nearest(name, names)
    return f"Did you mean {near}?" if near else f"There are {', '.join(names)}."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is closest to a name; None if none is close."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def http_address(address: str) -> str:
    """Returns an http or https address as it is.

    Raises:
        ValueError: it has another scheme, no host, or a port that does not exist; the message says which.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not address.startswith(f"{parts.scheme}://"):
        raise ValueError("it is not an address. Write one such as http://localhost:6333.")
    if any(character.isspace() for character in address):
        raise ValueError("an address has no spaces. Remove them.")
    if not parts.hostname:
        raise ValueError("the address names no host. Write one such as http://localhost:6333.")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the port is not a number from 1 to 65535. Correct it.")
    return address
