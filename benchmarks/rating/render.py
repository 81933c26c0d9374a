"""Templates to pages."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def templates() -> Environment:
    """Returns the templates of the rating pages; everything put into them is escaped."""
    return Environment(
        loader=PackageLoader("benchmarks.rating"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def render_page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Returns a page made of a template, with the title of the study."""
    title = request.app.state.site.study.title
    page = templates().get_template(template)
    html = page.render(study_title=title, status=status, style=None, **values)
    return HTMLResponse(html, status_code=status)


def results_file(found: Mapping[str, Any]) -> str:
    """Returns the results as a page that needs no server, from `benchmarks.rating.results.results`."""
    style = files("benchmarks.rating").joinpath("static/style.css").read_text(encoding="utf-8")
    page = templates().get_template("results.html")
    return page.render(study_title=found["title"], style=style, results=found)
