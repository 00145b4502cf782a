"""The page at `/`: what is live and which routes there are. It loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from service.champion import Failure, Live

_ROUTES = (
    ("POST /v1/embed", "rows → codes"),
    ("POST /v1/embeddings", "the same for OpenAI's clients"),
    ("POST /v1/classify", "rows → labels and their probabilities, where the release has a classifier"),
    ("POST /v1/generate", "codes → rows; <code>Accept: image/png</code> draws them"),
    ("POST /v1/sample", "new rows, and how far each can be trusted"),
    ("POST /v1/reconstruct", "rows → rows, through the code"),
    ("POST /v1/score", "rows → how unusual each is: reconstruction error and latent distance, with p-values"),
    ("POST /v1/neighbors", "rows or codes → the nearest reference rows in the code"),
    ("POST /v1/interpolate", "two rows or codes → the way between them, decoded"),
    ("GET /v1/models", "what is live; <a href='/v1/models'>see</a>"),
    ("GET /v2, POST /v2/models/encoder/infer, …", "the Open Inference Protocol, for Triton's and KServe's clients"),
    ("GET /openapi.json", "every route, described; <a href='/openapi.json'>see</a>"),
    ("GET /readyz, /livez, /metrics", "for those who keep it running"),
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
td { padding: .2rem 1rem .2rem 0; vertical-align: top; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# What a browser may do with the page: this style, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Manifold</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<h1>Manifold</h1>
<p>{state}</p>
<table>{rows}</table>
</html>
"""


def render(live: Live | None, failure: Failure | None) -> str:
    """The page as HTML."""
    if live is not None:
        shape = " × ".join(map(str, live.manifest.input.shape))
        state = (
            f"Release <b>{escape(live.release)}</b> is live on {live.runtime.device}: "
            f"{live.manifest.input.kind} rows of {shape}, codes of {live.manifest.code.size}, "
            f"space {escape(live.manifest.space_id)}."
        )
    else:
        state = "No release is live yet: <code>manifold train</code> makes one."
    if failure is not None:
        state += f" The champion {escape(str(failure.release))} cannot be served: {escape(failure.message)}"
    return _filled(state)


def render_closed() -> str:
    """The page for somebody without a key: the same for everybody, whatever is live."""
    return _filled("A key is needed here: <code>Authorization: Bearer …</code>, or <code>X-API-Key</code>.")


def _filled(state: str) -> str:
    rows = "".join(f"<tr><td><code>{route}</code></td><td>{does}</td></tr>" for route, does in _ROUTES)
    return _PAGE.format(style=_STYLE, state=state, rows=rows)
