"""What the organiser can open: the results as a page and as JSON, and every answer as CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from benchmarks.rating.ratings import answers_of, to_csv
from benchmarks.rating.render import render_page
from benchmarks.rating.results import is_complete, results
from benchmarks.rating.site import Guest, Site, organiser_of, site_of

router = APIRouter(dependencies=[Depends(organiser_of)])

AnySite = Annotated[Site, Depends(site_of)]
Organiser = Annotated[Guest, Depends(organiser_of)]


@router.get("/results")
def results_page(request: Request, site: AnySite) -> HTMLResponse:
    """Shows the figures of the study as it stands."""
    found = results(site.study, answers_of(site.engine, site.study))
    return render_page(request, "results.html", results=found)


@router.get("/results.json")
def results_json(site: AnySite) -> JSONResponse:
    """Returns the same figures for programs."""
    return JSONResponse(results(site.study, answers_of(site.engine, site.study)))


@router.get("/ratings.csv")
def ratings_csv(site: AnySite) -> Response:
    """Returns every answer ever given, one a row.

    Raises:
        HTTPException: 403 while the study is incomplete, because the rows name the models.
    """
    answers = answers_of(site.engine, site.study)
    if not is_complete(site.study, answers.filter("current")):
        raise HTTPException(403, "Answers name the models, so they open once the study is complete.")
    data = to_csv(answers)
    return Response(data, media_type="text/csv; charset=utf-8")
