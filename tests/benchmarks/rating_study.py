"""Blind studies for tests: small pictures, three models whose files differ in size, format and metadata."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from PIL import Image, PngImagePlugin

from benchmarks.rating.app import create_app
from benchmarks.rating.prepare import Plan, create_study
from benchmarks.rating.store import invite, open_store
from benchmarks.rating.study import DIMENSIONS, Study
from benchmarks.suites.item import BenchItem, picture_of_pixels
from models.common.seeding import numpy_generator

MODELS = ("model-crimson", "model-viridian", "model-umber")
PLAN = Plan("Blind test", 7, (1.0, 2.0, 3.0, 4.0, 5.0), DIMENSIONS, 2, 0.2, 64)


def photograph(*keys: int | str, height: int = 48, width: int = 64) -> np.ndarray:
    return numpy_generator(0, "photograph", *keys).integers(0, 256, (height, width, 3), dtype=np.uint8)


def bench_items(count: int) -> list[BenchItem]:
    return [
        BenchItem(
            sample_id=f"item-{number}",
            kind="color",
            category="stylistic",
            instruction=f"Make picture {number} warmer",
            sources=(picture_of_pixels("source", photograph("source", number)),),
            cluster=f"photo-{number // 2}",
        )
        for number in range(count)
    ]


def write_outputs(folder: Path, count: int) -> dict[str, Path]:
    """Every model gives itself away: by format, size, file length, metadata and the name of its folder."""
    for place, model in enumerate(MODELS):
        (folder / model).mkdir(parents=True)
        for number in range(count):
            size = {"height": 48 * (place + 1), "width": 64 * (place + 1)}
            image = Image.fromarray(photograph(model, number, **size))
            stream = io.BytesIO()
            if place == 1:
                exif = image.getexif()
                exif[0x010E] = model
                image.save(stream, "JPEG", exif=exif, comment=model.encode())
            else:
                text = PngImagePlugin.PngInfo()
                text.add_text("parameters", f"made by {model}")
                image.save(stream, "PNG", pnginfo=text)
            suffix = "jpg" if place == 1 else "png"
            (folder / model / f"item-{number}.{suffix}").write_bytes(stream.getvalue())
    return {model: folder / model for model in MODELS}


def make_study(folder: Path, count: int = 6, **changes) -> Study:
    outputs = write_outputs(folder / "outputs", count)
    plan = PLAN._replace(**changes)
    return create_study(
        folder / "study", items=bench_items(count), outputs=outputs, plan=plan, progress=lambda *_: None
    )


def invited(folder: Path, study: Study, names: list[str]) -> tuple[str, list[str]]:
    """Returns the store's address and the tokens of raters with these names."""
    url = f"sqlite:///{folder / 'ratings.sqlite'}"
    engine = open_store(url)
    return url, [invite(engine, study.study_id, label=name)[1] for name in names]


@contextmanager
def served(folder: Path, url: str) -> Iterator[str]:
    """Serves a study at a free port of the loopback and yields its address."""
    app = create_app(folder, open_store(url), "http://127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def signed_in(client: httpx.Client, token: str) -> httpx.Client:
    response = client.post("/join", data={"token": token}, follow_redirects=False)
    assert response.status_code == 303
    return client
