"""The web application of a blind study: server-rendered, usable by keyboard, on a phone, without scripts."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from benchmarks.rating import organiser_routes, rater_routes
from benchmarks.rating.render import render_page
from benchmarks.rating.site import Site
from benchmarks.rating.study import read_study

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # an invitation's address is its secret
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(folder: Path, engine: Engine, public_url: str) -> FastAPI:
    """Returns the application that serves the study of a folder.

    Args:
        folder: from `benchmarks.rating.prepare.create_study`.
        engine: from `benchmarks.rating.store.open_store`.
        public_url: where raters reach it. Requests for hosts other than this and the loopback names are
            refused, and cookies stay on HTTPS where it is HTTPS.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = Site(folder, read_study(folder), engine, secure=public_url.startswith("https:"))
    app.include_router(rater_routes.router)
    app.include_router(organiser_routes.router)
    app.mount("/static", StaticFiles(packages=[("benchmarks.rating", "static")]))
    app.middleware("http")(_with_headers)
    hosts = [urlsplit(public_url).hostname or "127.0.0.1", "127.0.0.1", "localhost", "[::1]"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_exception_handler(HTTPException, _error_page)
    return app


async def _with_headers(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await following(request)
    response.headers.update(HEADERS)
    # A page from the browser's store would offer to save over ratings that it does not show.
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _error_page(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)
    return render_page(request, "message.html", status=error.status_code, text=str(error.detail))
