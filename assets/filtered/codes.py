"""QR codes, bar codes and their kin (report 2.2.3)."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import polars as pl
import zxingcpp

from assets.engine.measure import Measure, each

ENLARGED_SIDE = 1024
SECOND_LOOK = (
    zxingcpp.BarcodeFormat.QRCode,
    zxingcpp.BarcodeFormat.EAN13,
    zxingcpp.BarcodeFormat.EAN8,
    zxingcpp.BarcodeFormat.UPCA,
    zxingcpp.BarcodeFormat.UPCE,
    zxingcpp.BarcodeFormat.Code128,
)
"""Formats that are searched again, larger and sharpened, and whose checksum may then fail: what is
photographed from afar can still be seen to be a code. The others would also be seen in foliage."""

MAX_SIDE_RATIO = 1.3
"""Of the outline of a QR code that could not be decoded; those seen in fur are longer."""


def measure_codes(image: np.ndarray) -> Mapping[str, Any]:
    """Returns what codes an (H, W, 3) uint8 image shows.

    - `count`: codes found.
    - `formats`: their formats, sorted, each once.
    - `area`: share of the picture inside their outlines; a bar code's is the part that was scanned.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found, scale = zxingcpp.read_barcodes(grey), 1.0
    if not found:
        found, scale = _second_look(grey)
    area = sum(cv2.contourArea(_outline(code)) for code in found) / scale**2
    return {
        "count": len(found),
        "formats": sorted({str(code.format) for code in found}),
        "area": min(1.0, area / grey.size),
    }


def _second_look(grey: np.ndarray) -> tuple[list[zxingcpp.Barcode], float]:
    """Returns the codes in an enlarged and sharpened copy, and its scale."""
    scale = min(2.0, ENLARGED_SIDE / max(grey.shape))
    enlarged = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    sharpened = cv2.addWeighted(enlarged, 3.0, cv2.GaussianBlur(enlarged, (0, 0), 2.5), -2.0, 0)
    codes = zxingcpp.read_barcodes(
        sharpened,
        formats=zxingcpp.BarcodeFormats(SECOND_LOOK),
        try_downscale=False,
        try_invert=False,
        return_errors=True,
    )
    return [code for code in codes if _is_plausible(code)], scale


def _is_plausible(code: zxingcpp.Barcode) -> bool:
    if code.valid or code.format != zxingcpp.BarcodeFormat.QRCode:
        return True
    outline = _outline(code)
    sides = np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1)
    return bool(sides.min() > 0 and sides.max() / sides.min() <= MAX_SIDE_RATIO)


def _outline(code: zxingcpp.Barcode) -> np.ndarray:
    """Returns its corners, (4, 2) float32 pixels, in order."""
    position = code.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return np.array([(corner.x, corner.y) for corner in corners], np.float32)


CODES = Measure(
    name="codes",
    version="1",
    long_side=1024,
    columns={"count": pl.Int64(), "formats": pl.List(pl.String()), "area": pl.Float64()},
    run=each(measure_codes),
)
