"""The live release's rows as OpenAI's clients send them: numbers, or images as data URIs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 4)).astype(np.uint8)
ROW = PIXELS[0].tolist()


def data_uri(pixels: Any, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
