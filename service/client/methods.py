"""Everything that can be asked of a service, each as a plan: what is said, and how the answer is understood."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Unpack
from urllib.parse import quote

import httpx
import numpy as np
import numpy.typing as npt

from service.client.answers import (
    Classification,
    Embedding,
    Floats,
    Neighbors,
    Path,
    SampleOptions,
    Samples,
    Scores,
)
from service.client.attempts import Limits, Retries
from service.client.errors import ServiceError
from service.client.method import Method
from service.client.rows import bodies, body, either, posting, sampling
from service.client.wire import JSON, NPY, PNG, Answer, Parts, Pause, Plan, Request, one

# A champion that changes this often while one input is sent is no accident.
_ROUNDS = 5
_POLL_SECONDS = 0.1


class Methods(ABC):
    """What both clients do. Inputs of any length are cut into requests; the answer is always of one release.

    Where a method takes rows, it takes an array (batch, *shape) in the data's own units, or the bytes of a PNG, JPEG
    or WebP, or a list of such, each of which is one row.

    Args:
        url: the service's address, for example "http://localhost:3000".
        api_key: sent as `Authorization: Bearer`, where the service wants one.
        timeout: seconds for one request to be answered, all its attempts and the waits between them together; an
            input that is cut into several requests has as much for each.
        attempt_timeout: seconds for one attempt; by default what is left of `timeout`.
        retries: how often a request is repeated, and after what time.
        rows_per_request: a longer input is cut; one of wide rows into shorter parts, of 32 MiB.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        attempt_timeout: float | None = None,
        retries: Retries | None = None,
        rows_per_request: int = 1024,
    ) -> None:
        if rows_per_request < 1:
            raise ValueError(f"rows_per_request: {rows_per_request} came, 1 or more expected")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key.strip()):
            raise ValueError("api_key: printable ASCII expected")
        self.url = url.rstrip("/")
        self._shown_url = str(httpx.URL(self.url).copy_with(userinfo=b"")).rstrip("/")
        self.limits = Limits(timeout, attempt_timeout, retries or Retries())
        self.rows_per_request = rows_per_request
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Prepare the connections; none is made yet."""

    @Method
    def embed(self, rows: npt.ArrayLike, *, depth: int | None = None, space: str | None = None) -> Plan[Embedding]:
        """Rows -> codes.

        Args:
            rows: see `Methods`.
            depth: the code of this greedy layer, counted from 1; by default the last, the code z.
            space: the space expected; the service refuses where its own is another.

        Raises:
            ServiceError: the service refused or could not be reached.
        """
        codes, space_found, release = yield from self._in_one_release(
            "/v1/embed", rows, {"depth": depth, "space": space}
        )
        return Embedding(codes, space_found, release)

    @Method
    def classify(self, rows: npt.ArrayLike, *, space: str | None = None) -> Plan[Classification]:
        """Rows -> labels and their probabilities. Raises as `embed` does; 404 where the live release has no classifier.

        Args:
            rows: see `Methods`.
            space: the space expected; the service refuses where its own is another.
        """
        p, space_found, release = yield from self._in_one_release("/v1/classify", rows, {"space": space})
        manifest = (yield from self._model(release))["manifest"]
        names = tuple(manifest["classifier"]["label_names"])
        return Classification(tuple(names[index] for index in p.argmax(1)), p, names, space_found, release)

    @Method
    def generate(self, codes: npt.ArrayLike, *, space: str | None = None) -> Plan[Floats]:
        """Codes (batch, code size) -> rows (batch, *shape), in data units. Raises as `embed` does."""
        return (yield from self._in_one_release("/v1/generate", codes, {"space": space}))[0]

    @Method
    def generate_png(self, codes: npt.ArrayLike, *, space: str | None = None) -> Plan[bytes]:
        """The rows that codes decode to, in one request, as one PNG grid. Raises as `sample_png` does."""
        return (yield from self._in_one_request("/v1/generate", codes, {"space": space}, PNG)).content

    @Method
    def reconstruct(self, rows: npt.ArrayLike, *, space: str | None = None) -> Plan[Floats]:
        """Rows -> rows, through the code; (batch, *shape) in and out. Raises as `embed` does."""
        return (yield from self._in_one_release("/v1/reconstruct", rows, {"space": space}))[0]

    @Method
    def reconstruct_png(self, rows: npt.ArrayLike, *, space: str | None = None) -> Plan[bytes]:
        """What `reconstruct` gives, in one request, as one PNG grid. Raises as `sample_png` does."""
        return (yield from self._in_one_request("/v1/reconstruct", rows, {"space": space}, PNG)).content

    @Method
    def sample(self, count: int = 64, seed: int = 0, **options: Unpack[SampleOptions]) -> Plan[Samples]:
        """Draw new rows; the same seed and release give the same rows. Raises as `embed` does.

        Args:
            count: how many.
            seed: 0 and up.
            options: method, steps, temperature; see `SampleOptions`.
        """
        answer = (yield from one(sampling(count, seed, options, JSON))).fields()
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

    @Method
    def sample_png(self, count: int = 64, seed: int = 0, **options: Unpack[SampleOptions]) -> Plan[bytes]:
        """The same new rows as `sample` draws, as one PNG grid. Raises as `embed` does; rows must be images."""
        return (yield from one(sampling(count, seed, options, PNG))).content

    @Method
    def score(self, rows: npt.ArrayLike, *, space: str | None = None) -> Plan[Scores]:
        """How unusual rows are. Raises as `embed` does; 404 where the live release cannot say."""
        columns, space_found, release = yield from self._in_one_release("/v1/score", rows, {"space": space})
        error, error_p, distance, distance_p = columns.T
        return Scores(error, error_p, distance, distance_p, space_found, release)

    @Method
    def neighbors(
        self,
        rows: npt.ArrayLike | None = None,
        *,
        codes: npt.ArrayLike | None = None,
        k: int | None = None,
        space: str | None = None,
    ) -> Plan[Neighbors]:
        """The nearest reference rows, in the code. Raises as `embed` does; 404 where the live release keeps none.

        Args:
            rows: see `Methods`; or else
            codes: (batch, code size).
            k: how many of each; the service's own choice where not given.
            space: of the codes; the service refuses where its own is another.
        """
        field, given = either(rows, codes)
        options = {"field": field, "k": k, "space": space}
        found, space_found, release = yield from self._in_one_release("/v1/neighbors", given, options)
        names = (yield from self._model(release))["manifest"]["data"]["label_names"]
        labels = [[names[int(at)] if at >= 0 else None for at in row] for row in found[..., 4]]
        return Neighbors(
            found[..., 0].astype(np.int64),
            found[..., 1],
            found[..., 2:4],
            labels if names else None,
            space_found,
            release,
        )

    @Method
    def interpolate(
        self,
        rows: npt.ArrayLike | None = None,
        *,
        codes: npt.ArrayLike | None = None,
        steps: int = 8,
        space: str | None = None,
    ) -> Plan[Path]:
        """The way between two rows (2, *shape), or two codes (2, code size), straight in the code, decoded.

        Raises as `embed` does.

        Args:
            rows: the two, in the data's own units; or else
            codes: the two, of `space`.
            steps: points of the path, the ends among them.
        """
        field, given = either(rows, codes)
        options = {"field": field, "steps": steps, "space": space}
        answer = (yield from self._in_one_request("/v1/interpolate", given, options, JSON)).fields()
        x, z = (np.asarray(answer[name], dtype=np.float32) for name in ("x", "z"))
        return Path(x, z, answer["space"], answer["release"])

    @Method
    def interpolate_png(
        self,
        rows: npt.ArrayLike | None = None,
        *,
        codes: npt.ArrayLike | None = None,
        steps: int = 8,
        space: str | None = None,
    ) -> Plan[bytes]:
        """The same way as one PNG, side by side. Raises as `interpolate` does; rows must be images."""
        field, given = either(rows, codes)
        options = {"field": field, "steps": steps, "space": space}
        return (yield from self._in_one_request("/v1/interpolate", given, options, PNG)).content

    @Method
    def models(self) -> Plan[dict[str, Any]]:
        """What is live and what the channels name, as `GET /v1/models` says it. Raises as `embed` does."""
        return (yield from one(Request("GET", "/v1/models"))).fields()

    @Method
    def model(self, release: str = "champion") -> Plan[dict[str, Any]]:
        """One release, by its version or a channel, as `GET /v1/models/{release}` says it. Raises as `embed` does."""
        return (yield from self._model(release))

    @Method
    def wait_until_ready(self, timeout: float = 30.0) -> Plan[None]:
        """Return as soon as a release is live.

        Raises:
            ServiceError: it did not get ready in `timeout` seconds; the message is the service's last word.
        """
        ends = time.monotonic() + timeout
        while True:
            left = ends - time.monotonic()
            try:
                yield from one(Request("GET", "/readyz", ready_within=max(left, _POLL_SECONDS)))
            except ServiceError as error:
                if left <= _POLL_SECONDS or error.status not in (None, 503):
                    raise
            else:
                return
            yield Pause(_POLL_SECONDS)

    def _model(self, release: str) -> Plan[dict[str, Any]]:
        return (yield from one(Request("GET", f"/v1/models/{quote(release, safe='')}"))).fields()

    def _in_one_request(self, path: str, rows: npt.ArrayLike, options: Mapping[str, Any], accept: str) -> Plan[Answer]:
        return (yield from one(posting(path, *body(rows), options, accept)))

    def _in_one_release(
        self, path: str, rows: npt.ArrayLike, options: Mapping[str, Any]
    ) -> Plan[tuple[Floats, str, str]]:
        for _ in range(_ROUNDS):
            answers = yield Parts(posting(path, *part, options, NPY) for part in bodies(rows, self.rows_per_request))
            if len(origins := {answer.origin for answer in answers}) == 1:
                return np.concatenate([answer.array() for answer in answers]), *origins.pop()
        raise ServiceError("champion_changed", f"the champion changed {_ROUNDS} times while one input was sent")

    def _address(self, request: Request) -> str:
        """What a request is called in an error: without its parameters, and without a password."""
        return f"{request.method} {self._shown_url}{request.path}"


def _where_known(numbers: list[float] | None) -> Floats | None:
    return None if numbers is None else np.asarray(numbers, dtype=np.float32)
