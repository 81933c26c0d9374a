"""An editor behind an address that speaks as OpenAI's image edits."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.editors.run import EditFailedError
from benchmarks.suites.item import BenchItem, MissingPictureError
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, encode_png
from models.common.seeding import derived_seed
from models.vlm.http import SHOWN, Response, Retries, checked_url, new_client, request_patiently
from models.vlm.redact import redact

MAX_SEED = 2**31
"""Seeds of services are 32-bit integers."""


SOURCE_SIZE = "source"
"""As the setting `size`: each output is asked for at the size of its first source, as 1024x768."""


class EndpointEditor:
    """A service with `POST <url>/images/edits`, such as OpenAI's, or a server of open weights."""

    def __init__(
        self,
        model: str,
        *,
        url: str,
        key: str | None,
        seed: int,
        settings: Mapping[str, str | int | float],
        hosts: Sequence[str],
        retries: Retries,
    ) -> None:
        """Makes an editor.

        Args:
            model: its name there.
            url: base address, up to and with `/v1`.
            key: secret, sent as a bearer token; None sends none.
            seed: each sample sends its own, derived from this and its id.
            settings: further form fields, such as `num_inference_steps`, `true_cfg_scale`, and `size`, where
                `source` is that of each sample.
            hosts: from which images may be fetched where the service answers with an address; the service's
                own host always may.
            retries: patience.
        """
        base = checked_url(url)
        self.settings: Mapping[str, Any] = {"model": model, "url": base, "seed": seed, **settings}
        self._form = {"model": model, "n": "1", **{name: str(value) for name, value in settings.items()}}
        self._url, self._seed, self._retries = f"{base}/images/edits", seed, retries
        self._hosts = {urlsplit(base).netloc, *hosts}
        self._client = new_client(retries, {"authorization": f"Bearer {key}"} if key else {})
        self._secrets = [key] if key else []
        self._bare = new_client(retries, {})

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs, asked for one by one.

        Raises:
            EditFailedError: the service declined or failed, or answered with no image.
        """
        return [self._edited(item) for item in items]

    def _edited(self, item: BenchItem) -> np.ndarray:
        try:
            sources = [picture.pixels() for picture in item.sources]
        except (MissingPictureError, UnreadableImageError) as error:
            raise EditFailedError(str(error)) from error
        pictures = [encode_png(pixels) for pixels in sources]
        name = "image" if len(pictures) == 1 else "image[]"
        form = dict(self._form)
        if form.get("size") == SOURCE_SIZE:
            form["size"] = f"{sources[0].shape[1]}x{sources[0].shape[0]}"
        seed = derived_seed(self._seed, "noise", item.sample_id) % MAX_SEED
        response = request_patiently(
            lambda: self._client.stream(
                "POST",
                self._url,
                data={**form, "prompt": item.instruction, "seed": str(seed)},
                files=[(name, (f"{n}.png", data, "image/png")) for n, data in enumerate(pictures)],
            ),
            retries=self._retries,
            key=item.sample_id,
            secrets=self._secrets,
        )
        if response.outcome != "ok":
            raise EditFailedError(f"the service {response.outcome}: {response.note}")
        return self._decoded(response)

    def _decoded(self, response: Response) -> np.ndarray:
        try:
            found = json.loads(response.body)["data"][0]
            coded = found.get("b64_json")
            data = base64.b64decode(coded, validate=True) if coded else self._fetched(str(found["url"]))
            return decode(data)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, binascii.Error) as error:
            told = redact(str(error), self._secrets)[:SHOWN]
            raise EditFailedError(f"the service answered without an image: {told}") from error

    def _fetched(self, address: str) -> bytes:
        host = urlsplit(address).netloc
        shown = redact(host.rpartition("@")[2], self._secrets)
        if urlsplit(address).scheme not in ("http", "https") or host not in self._hosts:
            raise EditFailedError(
                f"the service answered with an address on {shown!r}, from which nothing is fetched unless "
                "--fetch-from names it"
            )
        response = request_patiently(
            lambda: self._bare.stream("GET", address),
            retries=self._retries,
            key=address,
            secrets=self._secrets,
        )
        if response.outcome != "ok":
            raise EditFailedError(f"the image could not be fetched: {response.note}")
        return response.body
