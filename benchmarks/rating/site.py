"""Who is asking, and whether a form is theirs: tokens in cookies, signatures in forms, sizes checked."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Engine

from benchmarks.rating.store import ORGANISER, Visitor, visitor_of
from benchmarks.rating.study import Study

MAX_FORM_BYTES = 65_536
MAX_FIELDS = 500


@dataclass(frozen=True)
class Site:
    """One study being served."""

    folder: Path
    study: Study
    engine: Engine
    secure: bool

    @property
    def cookie(self) -> str:
        """The cookie's name, so that two studies on one host don't sign each other out."""
        return f"rating_{self.study.study_id}"


@dataclass(frozen=True)
class Guest:
    """A visitor with the token that they came with, which signs the forms they are shown."""

    visitor: Visitor
    token: str

    def signature(self, purpose: str, *values: str | int) -> str:
        """Returns what proves that a form was made for this visitor, for this purpose, in this state."""
        message = "\x1f".join([purpose, *map(str, values)])
        return hmac.new(self.token.encode(), message.encode(), hashlib.sha256).hexdigest()


def site_of(request: Request) -> Site:
    """Returns the study that the application serves."""
    return request.app.state.site


def guest_of(request: Request, site: Annotated[Site, Depends(site_of)]) -> Guest:
    """Returns the visitor that the cookie names.

    Raises:
        HTTPException: 401 without a valid cookie.
    """
    token = request.cookies.get(site.cookie, "")
    visitor = visitor_of(site.engine, site.study.study_id, token) if token else None
    if visitor is None:
        raise HTTPException(401, "Open the invitation link that you were sent.")
    return Guest(visitor, token)


def rater_of(guest: Annotated[Guest, Depends(guest_of)]) -> Guest:
    """Returns the visitor if they rate.

    Raises:
        HTTPException: 403 for the organiser.
    """
    if guest.visitor.number == ORGANISER:
        raise HTTPException(
            403, "The organiser's link opens the results. Invite yourself as a rater to rate."
        )
    return guest


def organiser_of(guest: Annotated[Guest, Depends(guest_of)]) -> Guest:
    """Returns the visitor if they organise the study.

    Raises:
        HTTPException: 403 for raters, who must not see the ratings of others.
    """
    if guest.visitor.number != ORGANISER:
        raise HTTPException(403, "Results are for the organiser of the study.")
    return guest


async def form_of(request: Request) -> dict[str, str]:
    """Returns the fields of a submitted form.

    Raises:
        HTTPException: 403 if another site sent it, 413 or 400 if it is too large or not a form.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form was sent from another site.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, "The form is too large.")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error


def signed_fields(guest: Guest, purpose: str, item_id: str, revision: int) -> dict[str, str]:
    """Returns the hidden fields of a form: the state that it was made in, when, and the signature."""
    shown = int(time.time())
    signature = guest.signature(purpose, item_id, revision, shown)
    return {"revision": str(revision), "shown": str(shown), "signature": signature}


def checked_fields(guest: Guest, purpose: str, item_id: str, form: dict[str, str]) -> tuple[int, float]:
    """Returns the revision that a form was made for, and the seconds since.

    Raises:
        HTTPException: 403 if the form was not made for this visitor, purpose and item.
    """
    revision, shown = form.get("revision", ""), form.get("shown", "")
    expected = guest.signature(purpose, item_id, revision, shown)
    if not hmac.compare_digest(expected.encode(), form.get("signature", "").encode()):
        raise HTTPException(403, "This form is not yours or was changed. Open the page again.")
    return int(revision), max(0.0, time.time() - int(shown))
