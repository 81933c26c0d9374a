"""What raters can open and send: their invitation, their items, their images, their last step back."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from benchmarks.rating.pages import (
    item_page,
    missing_answers,
    next_open,
    picture_files,
    progress,
    read_answers,
    to_points,
)
from benchmarks.rating.pictures import CHUNK_OVERHEAD, padded_png
from benchmarks.rating.render import render_page
from benchmarks.rating.site import Guest, Site, checked_fields, form_of, guest_of, rater_of, site_of
from benchmarks.rating.store import ORGANISER, submit, visitor_of
from benchmarks.rating.study import StudyItem, card_order, item_order

router = APIRouter()

AnySite = Annotated[Site, Depends(site_of)]
AnyGuest = Annotated[Guest, Depends(guest_of)]
Rater = Annotated[Guest, Depends(rater_of)]
Form = Annotated[dict[str, str], Depends(form_of)]

PICTURE_STEP = 4096
"""Images are filled up to a multiple of so many bytes: not even the largest one's size is told."""

COOKIE_SECONDS = 90 * 24 * 3600

CONFLICT = "This item was saved from another window in the meantime. Check your answers and save again."


@router.get("/")
def first_page(site: AnySite, guest: AnyGuest) -> RedirectResponse:
    """Leads raters to their first unrated item and the organiser to the results."""
    if guest.visitor.number == ORGANISER:
        return RedirectResponse("/results", 303)
    number = progress(site, guest)["first_open"]
    return RedirectResponse(f"/items/{number}" if number else "/overview", 303)


@router.get("/join/{token}")
def invitation(request: Request, site: AnySite, token: str) -> HTMLResponse:
    """Shows what the study asks for. Opening the link changes nothing: mail scanners open links too."""
    visitor = visitor_of(site.engine, site.study.study_id, token)
    if visitor is None:
        raise HTTPException(404, "This invitation is not valid. Ask the organiser for a new one.")
    organises = visitor.number == ORGANISER
    return render_page(request, "join.html", study=site.study, token=token, organises=organises)


@router.post("/join")
def sign_in(site: AnySite, form: Form) -> RedirectResponse:
    """Signs the holder of a token in."""
    token = form.get("token", "")
    if visitor_of(site.engine, site.study.study_id, token) is None:
        raise HTTPException(404, "This invitation is not valid. Ask the organiser for a new one.")
    response = RedirectResponse("/", 303)
    response.set_cookie(
        site.cookie, token, max_age=COOKIE_SECONDS, httponly=True, samesite="lax", secure=site.secure
    )
    return response


@router.get("/overview")
def overview(request: Request, site: AnySite, guest: Rater) -> HTMLResponse:
    """Shows a rater which of their items are rated."""
    return render_page(request, "overview.html", **progress(site, guest))


@router.get("/items/{number}")
def show_item(request: Request, site: AnySite, guest: Rater, number: int) -> HTMLResponse:
    """Shows the rater's n-th item, with their stored answers."""
    _item(site, guest, number)
    return render_page(request, "item.html", **item_page(site, guest, number))


@router.post("/items/{number}")
def rate_item(request: Request, site: AnySite, guest: Rater, number: int, form: Form) -> Response:
    """Stores the answers for the rater's n-th item and leads to the next one without answers."""
    item = _item(site, guest, number)
    revision, seconds = checked_fields(guest, "rate", item.item_id, form)
    cards = card_order(site.study, guest.visitor.number, item)
    answers = read_answers(site.study, cards, form)
    missing = missing_answers(site.study, cards, answers)
    if missing:
        problem = f"Not saved yet. Please answer: {', '.join(missing)}."
        page = item_page(site, guest, number, answers=answers, problem=problem)
        return render_page(request, "item.html", status=422, **page)
    outcome = submit(
        site.engine,
        site.study.study_id,
        rater=guest.visitor.number,
        item_id=item.item_id,
        revision=revision,
        points=to_points(cards, answers),
        seconds=seconds,
    )
    if outcome == "conflict":
        page = item_page(site, guest, number, answers=answers, problem=CONFLICT)
        return render_page(request, "item.html", status=409, **page)
    following = next_open(progress(site, guest)["rated"], number)
    return RedirectResponse(f"/items/{following}" if following else "/overview", 303)


@router.post("/items/{number}/undo")
def undo_item(site: AnySite, guest: Rater, number: int, form: Form) -> RedirectResponse:
    """Takes the ratings of an item back and shows it again; what had been chosen is still chosen."""
    item = _item(site, guest, number)
    revision, seconds = checked_fields(guest, "undo", item.item_id, form)
    submit(
        site.engine,
        site.study.study_id,
        rater=guest.visitor.number,
        item_id=item.item_id,
        revision=revision,
        points=[],
        seconds=seconds,
    )
    return RedirectResponse(f"/items/{number}", 303)


@router.get("/items/{number}/{place}.png")
def picture(site: AnySite, guest: Rater, number: int, place: str) -> Response:
    """Returns an image by its place on the rater's page. All of a page have one length."""
    item = _item(site, guest, number)
    files = picture_files(site.study, guest.visitor.number, item)
    if place not in files:
        raise HTTPException(404, "There is no such picture.")
    longest = max((site.folder / file).stat().st_size for file in files.values()) + CHUNK_OVERHEAD
    length = -(-longest // PICTURE_STEP) * PICTURE_STEP
    key = f"{site.study.seed}/{guest.visitor.number}/{item.item_id}/{place}"
    data = padded_png((site.folder / files[place]).read_bytes(), length, key=key)
    headers = {"Cache-Control": "private, max-age=3600", "Vary": "Cookie"}
    return Response(data, media_type="image/png", headers=headers)


def _item(site: Site, guest: Guest, number: int) -> StudyItem:
    if not 1 <= number <= len(site.study.items):
        raise HTTPException(404, f"There are items 1 to {len(site.study.items)}.")
    return item_order(site.study, guest.visitor.number)[number - 1]
