"""A client for Python programs: arrays in, arrays out, npy on the wire.

    with ManifoldClient("http://localhost:3000") as manifold:
        embedding = manifold.embed(rows)

    async with AsyncManifoldClient("http://localhost:3000") as manifold:
        embedding = await manifold.embed(rows)

Both have the same methods, written once: a method of `methods` is a plan, which says what is asked and reads what is
answered (`wire`), and knows no network. `blocking` and `asynchronous` send what a plan asks for, `attempts` says how
often. It needs numpy and httpx only.
"""

from service.client.answers import (
    Classification,
    Embedding,
    Neighbors,
    Path,
    SampleOptions,
    Samples,
    Scores,
)
from service.client.asynchronous import AsyncManifoldClient
from service.client.attempts import Retries
from service.client.blocking import ManifoldClient
from service.client.errors import ServiceError

__all__ = [
    "AsyncManifoldClient",
    "Classification",
    "Embedding",
    "ManifoldClient",
    "Neighbors",
    "Path",
    "Retries",
    "SampleOptions",
    "Samples",
    "Scores",
    "ServiceError",
]
