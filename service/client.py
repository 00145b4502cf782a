"""A client for Python programs: arrays in, arrays out, npy on the wire.

    with ManifoldClient("http://localhost:3000") as manifold:
        embedding = manifold.embed(rows)

It needs numpy and httpx only.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

import httpx
import numpy as np
import numpy.typing as npt

from service.client_answers import (
    Classification,
    Embedding,
    Floats,
    Neighbors,
    Path,
    SampleOptions,
    Samples,
    Scores,
    ServiceError,
    refusal_of,
)

__all__ = [
    "Classification",
    "Embedding",
    "ManifoldClient",
    "Neighbors",
    "Path",
    "SampleOptions",
    "Samples",
    "Scores",
    "ServiceError",
]

_NPY = "application/x-npy"
_ROWS_PER_REQUEST = 1024
# A champion that changes this often while one input is sent is no accident.
_ROUNDS = 5
# How often a full queue is tried again.
_PATIENCE = 10


class ManifoldClient:
    """Talks to one service. Inputs of any length are cut into requests; the answer is always of one release.

    Args:
        url: the service's address, for example "http://localhost:3000".
        api_key: the key to show, where the service demands one.
        timeout: seconds to wait for one answer.
    """

    def __init__(self, url: str, *, api_key: str | None = None, timeout: float = 60.0) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, headers={"X-API-Key": api_key} if api_key else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def embed(self, rows: npt.ArrayLike, *, depth: int | None = None, space: str | None = None) -> Embedding:
        """Rows -> codes.

        Args:
            rows: (batch, *shape), in the data's own units.
            depth: the code of this greedy layer, counted from 1; by default the last, the code z.
            space: the space expected; the service refuses where its own is another.

        Raises:
            ServiceError: the service refused or could not be reached.
        """
        codes, space_found, release = self._in_one_release("/v1/embed", rows, {"depth": depth, "space": space})
        return Embedding(codes, space_found, release)

    def classify(self, rows: npt.ArrayLike, *, space: str | None = None) -> Classification:
        """Rows -> labels and their probabilities.

        Args:
            rows: (batch, *shape), in the data's own units.
            space: the space expected; the service refuses where its own is another.

        Raises:
            ServiceError: the service refused or could not be reached; 404 where the live release has no classifier.
        """
        p, space_found, release = self._in_one_release("/v1/classify", rows, {"space": space})
        manifest = self._send("GET", f"/v1/models/{release}").json()["manifest"]
        names = tuple(manifest["classifier"]["label_names"])
        return Classification(tuple(names[index] for index in p.argmax(1)), p, names, space_found, release)

    def generate(self, codes: npt.ArrayLike, *, space: str | None = None) -> Floats:
        """Codes (batch, code size) -> rows (batch, *shape), in data units. Raises as `embed` does."""
        return self._in_one_release("/v1/generate", codes, {"space": space})[0]

    def reconstruct(self, rows: npt.ArrayLike) -> Floats:
        """Rows -> rows, through the code; (batch, *shape) in and out. Raises as `embed` does."""
        return self._in_one_release("/v1/reconstruct", rows, {})[0]

    def sample(self, count: int = 64, seed: int = 0, **options: Unpack[SampleOptions]) -> Samples:
        """Draw new rows; the same seed and release give the same rows. Raises as `embed` does.

        Args:
            count: how many.
            seed: 0 and up.
            options: method, steps, temperature; see `SampleOptions`.
        """
        answer = self._sample(count, seed, options, "application/json").json()
        honesty = answer["honesty"]
        return Samples(
            rows=np.asarray(answer["x"], dtype=np.float32),
            codes=np.asarray(answer["z"], dtype=np.float32),
            space=answer["space"],
            release=answer["release"],
            method=answer["method"],
            steps=answer["steps"],
            density_percentile=_where_known(honesty["density_percentile"]),
            round_trip_error=np.asarray(honesty["round_trip_error"], dtype=np.float32),
            nearest_distance=_where_known(honesty["nearest_distance"]),
            reference_rows=honesty["reference_rows"],
        )

    def sample_png(self, count: int = 64, seed: int = 0, **options: Unpack[SampleOptions]) -> bytes:
        """The same new rows as `sample` draws, as one PNG grid. Raises as `embed` does; rows must be images."""
        return self._sample(count, seed, options, "image/png").content

    def _sample(self, count: int, seed: int, options: SampleOptions, accept: str) -> httpx.Response:
        said = {name: value for name, value in options.items() if value is not None}
        asked = {"count": count, "seed": seed} | said
        return self._send("POST", "/v1/sample", json=asked, headers={"Accept": accept})

    def generate_png(self, codes: npt.ArrayLike) -> bytes:
        """The rows that codes decode to, in one request, as one PNG grid. Raises as `sample_png` does."""
        headers = {"Content-Type": _NPY, "Accept": "image/png"}
        return self._send("POST", "/v1/generate", content=_to_npy(np.asarray(codes)), headers=headers).content

    def score(self, rows: npt.ArrayLike, *, space: str | None = None) -> Scores:
        """How unusual rows (batch, *shape) are. Raises as `embed` does; 404 where the live release cannot say."""
        columns, space_found, release = self._in_one_release("/v1/score", rows, {"space": space})
        error, error_p, distance, distance_p = columns.T
        return Scores(error, error_p, distance, distance_p, space_found, release)

    def neighbors(
        self,
        rows: npt.ArrayLike | None = None,
        *,
        codes: npt.ArrayLike | None = None,
        k: int | None = None,
        space: str | None = None,
    ) -> Neighbors:
        """The nearest reference rows, in the code. Raises as `embed` does; 404 where the live release keeps none.

        Args:
            rows: (batch, *shape), in the data's own units; or else
            codes: (batch, code size).
            k: how many of each; the service's own choice where not given.
            space: of the codes; the service refuses where its own is another.
        """
        field, given = _either(rows, codes)
        options = {"field": field, "k": k, "space": space}
        found, space_found, release = self._in_one_release("/v1/neighbors", given, options)
        names = self._send("GET", f"/v1/models/{release}").json()["manifest"]["data"]["label_names"]
        labels = [[names[int(at)] if at >= 0 else None for at in row] for row in found[..., 4]]
        return Neighbors(
            found[..., 0].astype(np.int64),
            found[..., 1],
            found[..., 2:4],
            labels if names else None,
            space_found,
            release,
        )

    def interpolate(
        self,
        rows: npt.ArrayLike | None = None,
        *,
        codes: npt.ArrayLike | None = None,
        steps: int = 8,
        space: str | None = None,
    ) -> Path:
        """The way between two rows (2, *shape), or two codes (2, code size), straight in the code, decoded.

        Raises as `embed` does.

        Args:
            rows: the two, in the data's own units; or else
            codes: the two, of `space`.
            steps: points of the path, the ends among them.
        """
        answer = self._interpolate(_either(rows, codes), steps, space, "application/json").json()
        x, z = (np.asarray(answer[name], dtype=np.float32) for name in ("x", "z"))
        return Path(x, z, answer["space"], answer["release"])

    def interpolate_png(
        self, rows: npt.ArrayLike | None = None, *, codes: npt.ArrayLike | None = None, steps: int = 8
    ) -> bytes:
        """The same way as one PNG, side by side. Raises as `interpolate` does; rows must be images."""
        return self._interpolate(_either(rows, codes), steps, None, "image/png").content

    def _interpolate(
        self, given: tuple[str, npt.NDArray[Any]], steps: int, space: str | None, accept: str
    ) -> httpx.Response:
        params = {"field": given[0], "steps": steps} | ({} if space is None else {"space": space})
        headers = {"Content-Type": _NPY, "Accept": accept}
        return self._send("POST", "/v1/interpolate", content=_to_npy(given[1]), params=params, headers=headers)

    def models(self) -> dict[str, Any]:
        """What is live and what the channels name, as `GET /v1/models` says it. Raises as `embed` does."""
        answer: dict[str, Any] = self._send("GET", "/v1/models").json()
        return answer

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Return as soon as a release is live.

        Raises:
            ServiceError: it did not get ready in `timeout` seconds; the message is the service's last word.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._send("GET", "/readyz")
            except ServiceError as error:
                if time.monotonic() >= deadline:
                    raise
                if error.status not in (None, 503):
                    raise
            else:
                return
            time.sleep(0.1)

    def _in_one_release(self, path: str, rows: npt.ArrayLike, options: Mapping[str, Any]) -> tuple[Floats, str, str]:
        array = np.asarray(rows)
        count = len(array) if array.ndim else 1
        starts = range(0, max(count, 1), _ROWS_PER_REQUEST)
        params = {name: value for name, value in options.items() if value is not None}
        for _ in range(_ROUNDS):
            parts: list[Floats] = []
            origins: set[tuple[str, str]] = set()
            for start in starts:
                part = array[start : start + _ROWS_PER_REQUEST] if len(starts) > 1 else array
                answer = self._send(
                    "POST",
                    path,
                    content=_to_npy(part),
                    params=params,
                    headers={"Content-Type": _NPY, "Accept": _NPY},
                )
                origins.add((answer.headers["X-Manifold-Space"], answer.headers["X-Manifold-Release"]))
                if len(origins) > 1:
                    break
                parts.append(np.load(io.BytesIO(answer.content), allow_pickle=False))
            if len(origins) == 1:
                space, release = origins.pop()
                return np.concatenate(parts), space, release
        raise ServiceError("champion_changed", f"the champion changed {_ROUNDS} times while {count} rows were sent")

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        for _ in range(_PATIENCE):
            try:
                answer = self._http.request(method, path, **request)
            except httpx.HTTPError as error:
                raise ServiceError("unreachable", f"{self._http.base_url}: {error}") from error
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        if answer.is_success:
            return answer
        raise refusal_of(answer)


def _either(rows: npt.ArrayLike | None, codes: npt.ArrayLike | None) -> tuple[str, npt.NDArray[Any]]:
    if (rows is None) == (codes is None):
        raise ServiceError("invalid_value", "give one of rows and codes")
    return ("x", np.asarray(rows)) if codes is None else ("z", np.asarray(codes))


def _where_known(numbers: list[float] | None) -> Floats | None:
    return None if numbers is None else np.asarray(numbers, dtype=np.float32)


def _to_npy(array: npt.NDArray[Any]) -> bytes:
    if array.dtype.hasobject:
        raise ServiceError("invalid_value", "rows of different lengths, or values that are no numbers")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
