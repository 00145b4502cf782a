"""New rows by each method, and the figures beside them: the real release, runtime and application in process."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

from service.app import create_app
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.sampling import Walkback
from service.runtime import Runtime
from service.sampling import Units, corrupted, default_plan, draw, run
from service.settings import Settings
from tests.service.refusals import refused
from tests.service.tiny import Tiny, every_method, promote, publish_tiny, reference_rows

T = TypeVar("T")

METHODS = ("density", "walkback", "jacobian_walk")


@pytest.fixture
def tiny(home: Home) -> Tiny:
    """The champion of `home`, with every method."""
    network = publish_tiny(home, "one", sampling=every_method())
    promote(home, "one")
    return network


def asked(settings: Settings, story: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
    """What a story ends with that asks an application in this process."""

    async def told() -> T:
        worker = Worker.create(settings, Metrics())
        worker.champion.look()
        app = create_app()
        app.state.worker = worker
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            result = await story(client)
        worker.batcher.close()
        return result

    return asyncio.run(told())


def sample(home: Home, settings: Settings | None = None, **body: Any) -> httpx.Response:
    return asked(settings or Settings(home=home.root), lambda client: client.post("/v1/sample", json=body))


def runtime_of(home: Home) -> Runtime:
    return Runtime.load(home.store / "one", verify_release(home.store / "one"), device="cpu")


@pytest.mark.parametrize("method", METHODS)
def test_rows_come_with_the_codes_they_are_decoded_from_and_repeat_with_their_seed(
    home: Home, tiny: Tiny, method: str
) -> None:
    first = sample(home, method=method, count=60, seed=3).json()
    assert (first["method"], first["steps"]) == (method, 1 if method == "density" else 3)
    assert np.array(first["x"]).shape == (60, 4, 4)
    assert np.allclose(first["x"], tiny.decode(first["z"]), atol=1e-2)
    assert first == sample(home, method=method, count=60, seed=3).json()
    assert first["z"] != sample(home, method=method, count=60, seed=4).json()["z"]


def test_a_walkback_masks_the_start_and_reconstructs(home: Home, tiny: Tiny) -> None:
    z = np.array(sample(home, method="walkback", steps=1, count=50, seed=0).json()["z"])
    # Each code is that of one reference row with about a quarter of its entries at 0 in scaled units: 20.
    generator = np.random.default_rng(0)
    start = reference_rows()[generator.permutation(50)].astype(np.float32)
    masked = np.where(generator.random(start.shape, dtype=np.float32) < 0.25, np.float32(20), start)
    assert np.allclose(z, tiny.encode(masked), atol=1e-4)
    assert 0.15 < np.mean(masked != start) < 0.35


def test_the_walk_moves_a_code_by_j_jt_and_the_noise(home: Home, tiny: Tiny) -> None:
    x = reference_rows()[:5].astype(np.float32) / 20
    noise = np.random.default_rng(1).standard_normal((5, 2)).astype(np.float32)
    jacobians = tiny.jacobians(x)
    moved = np.einsum("ncf,ndf,nd->nc", jacobians, jacobians, noise)
    assert np.abs(moved).max() > 0.01
    next_x, z = runtime_of(home).walk(x, noise)
    assert np.allclose(z, tiny.encode(x) + moved, atol=1e-4)
    assert np.allclose(next_x, tiny.decode(z), atol=1e-2)


def test_every_reference_row_starts_a_chain_before_one_starts_two(home: Home, tiny: Tiny) -> None:
    runtime = runtime_of(home)
    still = every_method().model_copy(
        update={"default": "walkback", "walkback": Walkback(corruption="masking", level=0)}
    )
    runtime.manifest = runtime.manifest.model_copy(update={"sampling": still})
    z = run(runtime, draw(runtime, default_plan(runtime.manifest, 120, 5))).z
    assert len(np.unique(z[:50].round(4), axis=0)) == len(np.unique(z.round(4), axis=0))
    assert np.array_equal(z[:50], z[50:100])


def test_a_lower_temperature_draws_nearer_to_the_means(home: Home, tiny: Tiny) -> None:
    for temperature in (0.5, 2):
        z = np.array(sample(home, count=1000, temperature=temperature).json()["z"])
        assert np.std(z[:, 1]) == pytest.approx(0.1 * temperature, rel=0.1)


@pytest.mark.parametrize("scale", [np.float32(4), np.linspace(1, 5, 6, dtype=np.float32)])
def test_corruption_is_the_trainings_in_the_datas_own_units(scale: Any) -> None:
    units = Units(np.float32(10) * np.ones_like(scale), scale)
    x = np.broadcast_to(units.own(0.5), (20_000, 6))
    generator = np.random.default_rng(0)
    masked = corrupted(x, Walkback(corruption="masking", level=0.3), units, generator)
    assert np.mean(masked == 10) == pytest.approx(0.3, abs=0.01)
    assert np.all((masked == 10) | (masked == x))
    noisy = corrupted(x, Walkback(corruption="gaussian", level=0.2), units, generator)
    assert np.allclose(((noisy - x) / scale).std(0), 0.2, atol=0.01)
    partly = corrupted(x, Walkback(corruption="gaussian", level=0.2, share=0.1), units, generator)
    assert np.mean(partly != x) == pytest.approx(0.1, abs=0.01)
    spiced = corrupted(x, Walkback(corruption="salt_and_pepper", level=0.4, low=-1, high=2), units, generator)
    assert np.mean(spiced == units.own(-1)) == pytest.approx(0.2, abs=0.01)
    assert np.mean(spiced == units.own(2)) == pytest.approx(0.2, abs=0.01)
    assert all(array.dtype == np.float32 for array in (masked, noisy, partly, spiced))


@pytest.mark.parametrize("method", METHODS)
def test_each_sample_says_how_far_it_can_be_trusted(home: Home, tiny: Tiny, method: str) -> None:
    answer = sample(home, method=method, count=40, seed=1).json()
    honesty, x, z = answer["honesty"], np.array(answer["x"], np.float32), np.array(answer["z"])
    error = (np.square((tiny.decode(tiny.encode(x)) - x) / 50).reshape(40, -1)).sum(1)
    assert np.allclose(honesty["round_trip_error"], error, rtol=1e-3, atol=1e-3)
    distances = cdist(x.reshape(40, -1) / 50, reference_rows().reshape(50, -1) / 50)
    assert np.allclose(honesty["nearest_distance"], distances.min(1), atol=1e-3)
    assert honesty["reference_rows"] == 50
    parts = [share * multivariate_normal([mean, 0], 0.01 * np.eye(2)).pdf(z) for share, mean in ((0.25, -1), (0.75, 1))]
    # The release's quantiles are an even spread from -10 to 0 nats; none is denser than all of them.
    with np.errstate(divide="ignore"):
        percentile = np.clip((np.log(sum(parts)) + 10) * 10, 0, 100)
    assert np.allclose(honesty["density_percentile"], percentile, atol=0.1)
    assert method != "density" or np.mean(percentile) > 0


def test_a_release_of_before_has_its_density_and_says_what_it_does_not_know(home: Home) -> None:
    publish_tiny(home, "one")
    promote(home, "one")
    answer = sample(home, count=2).json()
    assert answer["method"] == "density"
    honesty = answer["honesty"]
    assert (honesty["density_percentile"], honesty["nearest_distance"], honesty["reference_rows"]) == (None, None, 0)
    assert len(honesty["round_trip_error"]) == 2
    for method in METHODS[1:]:
        refused(sample(home, method=method), 422, "invalid_value", "method", f"'{method}' came", "one has density")


def test_more_steps_than_a_request_may_have_are_refused_at_once(home: Home, tiny: Tiny) -> None:
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"steps": 26, "count": 4}, "steps", "from 1 to 25"),
        ({"count": 34}, "count", "34 rows of 3 steps are more than 100 in all"),
    )
    for body, field, words in cases:
        answer = sample(home, Settings(home=home.root, max_sample_steps=100), method="walkback", **body)
        refused(answer, 422, "invalid_value", field, words)


def test_a_long_chain_lets_others_through_and_ends_with_its_deadline(home: Home, tiny: Tiny) -> None:
    async def story(client: httpx.AsyncClient) -> tuple[float, httpx.Response, httpx.Response]:
        started = time.monotonic()
        body = {"method": "walkback", "count": 2, "steps": 500_000}
        long = asyncio.create_task(client.post("/v1/sample", json=body))
        await asyncio.sleep(0.1)
        short = await client.post("/v1/embed", json={"x": np.zeros((1, 4, 4)).tolist()})
        assert not long.done()
        return time.monotonic() - started, await long, short

    settings = Settings(home=home.root, max_sample_steps=10**6, deadline_seconds=1.0)
    seconds, long, short = asked(settings, story)
    assert short.status_code == 200
    assert seconds < 1
    refused(long, 504, "deadline", None, "no answer within 1 s")


def test_samples_come_as_npy_and_as_a_picture_too(home: Home, tiny: Tiny) -> None:
    body: dict[str, Any] = {"method": "jacobian_walk", "count": 4}
    told = sample(home, **body).json()["x"]

    async def story(client: httpx.AsyncClient) -> list[httpx.Response]:
        kinds = ("application/x-npy", "image/png")
        return [await client.post("/v1/sample", json=body, headers={"Accept": kind}) for kind in kinds]

    npy, png = asked(Settings(home=home.root), story)
    assert np.allclose(np.load(io.BytesIO(npy.content), allow_pickle=False), told, rtol=1e-5)
    assert png.content.startswith(b"\x89PNG")
