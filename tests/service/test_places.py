"""How unusual rows are, which known rows are beside them, and the way between two of them."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from typer.testing import CliRunner

from flows.command_line import app as command_line
from service import neighbours, places, scoring
from service.app import create_app
from service.client import ManifoldClient, ServiceError
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.scoring import p_values
from service.settings import Settings
from tests.service.refusals import refused
from tests.service.tiny import (
    LABELS,
    Tiny,
    every_method,
    measured,
    promote,
    publish_tiny,
    reference_labels,
    reference_rows,
    usual_rows,
)

NPY = {"Content-Type": "application/x-npy"}
X = usual_rows(seed=5)[:7]


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def array_of(answer: httpx.Response) -> Any:
    assert answer.headers["Content-Type"] == "application/x-npy", answer.text
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def in_process(home: Home, path: str, body: dict[str, Any]) -> httpx.Response:
    """The answer of an application in this process."""

    async def story() -> httpx.Response:
        worker = Worker.create(Settings(home=home.root), Metrics())
        worker.champion.look()
        app = create_app()
        app.state.worker = worker
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            answer = await client.post(path, json=body)
        worker.batcher.close()
        return answer

    return asyncio.run(story())


def known_codes(tiny: Tiny) -> Any:
    return tiny.encode(reference_rows())


def are_the_nearest(ids: Any, told: Any, codes: Any, known: Any) -> bool:
    """Whether they are those of a search by brute force; saturated codes are about equally near, in any order."""
    distances = cdist(np.asarray(codes, np.float64), known)
    k = np.shape(ids)[1]
    return (
        all(len({*row}) == k for row in np.asarray(ids).tolist())
        and np.allclose(np.sort(distances)[:, :k], told, atol=1e-4)
        and np.allclose(np.take_along_axis(distances, np.asarray(ids), 1), told, atol=1e-4)
    )


@pytest.mark.parametrize("path", ["/v1/score", "/score"])
def test_a_row_is_scored_by_its_reconstruction_and_by_its_code(http: httpx.Client, tiny: Tiny, path: str) -> None:
    answer = http.post(path, json={"x": X.tolist(), "space": "space-of-first"}).json()
    assert list(answer) == [
        "reconstruction_error", "reconstruction_p", "latent_distance", "latent_p", "space", "release",
    ]  # fmt: skip
    error, distance = measured(tiny, X)
    assert np.allclose(answer["reconstruction_error"], error, rtol=1e-3)
    assert np.allclose(answer["latent_distance"], distance, rtol=1e-3)
    calibrating = measured(tiny, usual_rows())
    for name, value, known in (("reconstruction", error, calibrating[0]), ("latent", distance, calibrating[1])):
        # Quantiles keep a share of the rows to about a percent. Saturated codes are equal but for rounding.
        share = (1 + (known[None] >= value[:, None] * (1 - 1e-6)).sum(1)) / 401
        assert np.allclose(answer[f"{name}_p"], share, atol=0.015)
    columns = array_of(http.post(path, content=npy(X), headers=NPY | {"Accept": "application/x-npy"}))
    assert columns.shape == (7, 4)
    assert np.allclose(columns.T, list(answer.values())[:4], rtol=1e-5)


def test_p_values_of_usual_rows_are_evenly_spread(home: Home) -> None:
    publish_tiny(home, "one", sampling=every_method(), network=Tiny.linear())
    promote(home, "one")
    answer = in_process(home, "/v1/score", {"x": np.concatenate([usual_rows(seed=7), usual_rows(seed=8)]).tolist()})
    for name in ("reconstruction_p", "latent_p"):
        p = np.array(answer.json()[name])
        for share in (0.05, 0.25, 0.5, 0.9):
            # Of 800 rows, and of 400 that they are held against: four deviations.
            deviation = np.sqrt(share * (1 - share) * (1 / 800 + 1 / 400))
            assert abs(np.mean(p <= share) - share) < 4 * deviation, (name, share)


def test_a_far_off_row_is_unusual_by_its_code_even_if_it_is_rebuilt_well(home: Home) -> None:
    tiny = publish_tiny(home, "one", sampling=every_method(), network=Tiny.linear())
    promote(home, "one")
    far = tiny.decode(np.array([[60.0, -60.0]]))
    answer = in_process(home, "/v1/score", {"x": far.tolist()})
    assert answer.json()["reconstruction_p"][0] > 0.9
    assert answer.json()["latent_p"][0] == pytest.approx(1 / 401)


def test_equal_values_count_and_no_p_is_0() -> None:
    quantiles = (1.0, 2.0, 3.0, 3.0, 3.0)
    values = np.array([0, 1, 1.5, 2, 3, 3.1, 1e30], np.float32)
    # Half of 99 rows are 3; nothing is known of what lies beyond.
    expected = (1 + 99 * np.array([1, 1, 0.875, 0.75, 0.5, 0, 0])) / 100
    assert np.allclose(p_values(values, quantiles, 99), expected, atol=1e-4)
    assert np.allclose(p_values(np.array([0.1, 0.2], np.float32), (0.1, 0.1, 0.1), 9), [1, 0.1])


@pytest.mark.parametrize("field", ["x", "z"])
def test_neighbours_are_those_of_a_brute_force_search(http: httpx.Client, tiny: Tiny, field: str) -> None:
    given = X if field == "x" else tiny.encode(X)
    body = {field: given.tolist(), "k": 6, "space": "space-of-first"}
    answer = http.post("/v1/neighbors", json=body).json()
    ids = np.array(answer["id"])
    assert ids.shape == (7, 6)
    assert are_the_nearest(ids, answer["distance"], tiny.encode(X), known_codes(tiny))
    labels = reference_labels()[ids]
    assert answer["label"] == [[LABELS[at] if at >= 0 else None for at in row] for row in labels]
    assert np.allclose(answer["map"], known_codes(tiny)[ids], atol=1e-5)
    assert (answer["space"], answer["release"]) == ("space-of-first", "first")
    asked: dict[str, Any] = {"content": npy(given), "headers": NPY | {"Accept": "application/x-npy"}}
    packed = array_of(http.post(f"/v1/neighbors?field={field}&k=6&space=space-of-first", **asked))
    parts = (ids[..., None], np.array(answer["distance"])[..., None], answer["map"], labels[..., None])
    assert np.allclose(packed, np.concatenate(parts, 2), rtol=1e-5)


def test_a_reference_row_is_its_own_nearest_and_an_image_is_a_row(http: httpx.Client, tiny: Tiny) -> None:
    buffer = io.BytesIO()
    Image.fromarray(reference_rows()[11]).save(buffer, "PNG")
    for path in ("/v1/neighbors?k=1", "/v1/score"):
        answer = http.post(path, content=buffer.getvalue(), headers={"Content-Type": "image/png"})
        assert answer.status_code == 200, answer.text
        if "neighbors" in path:
            assert answer.json()["id"] == [[11]]
            assert answer.json()["distance"][0][0] < 1e-4
    by_default = http.post("/v1/neighbors", json={"z": [[0, 0]]}).json()
    assert np.array(by_default["id"]).shape == (1, 10)


@pytest.mark.parametrize("field", ["x", "z"])
def test_a_path_goes_straight_in_the_code_from_one_end_to_the_other(http: httpx.Client, tiny: Tiny, field: str) -> None:
    ends = tiny.encode(X[:2])
    given = X[:2] if field == "x" else ends
    answer = http.post("/v1/interpolate", json={field: given.tolist(), "steps": 5, "space": "space-of-first"}).json()
    z, x = np.array(answer["z"]), np.array(answer["x"])
    assert x.shape == (5, 4, 4)
    assert np.allclose(z, np.linspace(ends[0], ends[1], 5), atol=1e-4)
    assert np.allclose(x, tiny.decode(z), atol=1e-2)
    rebuilt = http.post("/v1/reconstruct", json={"x": X[:2].tolist()}).json()["x"]
    assert np.allclose(x[[0, -1]], rebuilt, atol=1e-2)
    asked: dict[str, Any] = {"content": npy(given), "headers": NPY | {"Accept": "application/x-npy"}}
    assert np.allclose(array_of(http.post(f"/v1/interpolate?field={field}&steps=5", **asked)), x, atol=1e-3)


def test_a_path_can_be_had_as_one_strip(http: httpx.Client, tiny: Tiny) -> None:
    body = {"z": [[-1, 0], [1, 0.5]]}
    answer = http.post("/v1/interpolate", json=body, headers={"Accept": "image/png"})
    strip = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert strip.shape == (4, 8 * 4)
    expected = np.clip(tiny.decode([body["z"][1]])[0], 0, 255)
    assert np.abs(strip[:, -4:] - expected).max() <= 1


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "words"),
    [
        ("score", {"x": X.tolist(), "space": "elsewhere"}, 409, "space", "elsewhere"),
        ("neighbors", {"z": [[0, 0]], "space": "elsewhere"}, 409, "space", "elsewhere"),
        ("interpolate", {"z": [[0, 0], [1, 1]], "space": "elsewhere"}, 409, "space", "elsewhere"),
        ("neighbors", {"z": [[0, 0]], "k": 51}, 422, "k", "from 1 to 50 expected"),
        ("neighbors", {"z": [[0, 0]], "k": 0}, 422, "k", "from 1 to 50 expected"),
        ("neighbors", {"z": [[0, 0]], "k": True}, 422, "k", "from 1 to 50 expected"),
        ("neighbors", {"z": [[0, 0, 0]]}, 422, "z", "shape (1, 3) came, (batch, 2) expected"),
        ("neighbors", {"z": [[0, 0]], "x": X.tolist()}, 422, "z", "x and z came, one of them expected"),
        ("neighbors", {"z": [[0, 0]], "field": "z"}, 422, "field", "unknown field"),
        ("neighbors", {"k": 1}, 422, "x", "x: missing; an array of rows expected, or z"),
        ("score", {"z": [[0, 0]]}, 422, "z", "unknown field; known are: x, space"),
        ("score", {"x": X.tolist(), "depth": 1}, 422, "depth", "unknown field"),
        ("interpolate", {"x": X[:1].tolist()}, 422, "x", "1 came, the 2 ends of a path expected"),
        ("interpolate", {"z": [[0, 0]] * 3}, 422, "z", "3 came, the 2 ends of a path expected"),
        ("interpolate", {"z": [[0, 0]] * 2, "steps": 1}, 422, "steps", "from 2 to 256 expected"),
        ("interpolate", {"z": [[0, 0]] * 2, "steps": 257}, 422, "steps", "from 2 to 256 expected"),
        ("interpolate", {"z": [[0, 0], [3e38, 3e38]]}, 422, "z", "values too large"),
    ],
)
def test_what_cannot_be_answered_is_named(
    http: httpx.Client, path: str, body: dict[str, Any], status: int, field: str, words: str
) -> None:
    code = {409: "wrong_space", 422: "invalid_value"}[status]
    refused(http.post(f"/v1/{path}", json=body), status, code, field, words)


def test_what_an_npy_holds_is_said_beside_it_or_refused(http: httpx.Client) -> None:
    codes = npy(np.zeros((2, 2), np.float32))
    refused(http.post("/v1/neighbors", content=codes, headers=NPY), 422, "invalid_value", "x", "(batch, 4, 4)")
    answer = http.post("/v1/neighbors?field=y", content=codes, headers=NPY)
    refused(answer, 422, "invalid_value", "field", "y came, x or z expected")
    answer = http.post("/v1/score?field=z", content=codes, headers=NPY)
    refused(answer, 422, "invalid_value", "field", "unknown field; known are: space")
    answer = http.post("/v1/neighbors?field=z", content=b"", headers={"Content-Type": "image/png"})
    refused(answer, 415, "unsupported_type", "Content-Type", "application/x-npy or multipart/form-data expected")
    for path in ("score", "neighbors"):
        answer = http.post(f"/v1/{path}", json={"x": X.tolist()}, headers={"Accept": "image/png"})
        refused(answer, 415, "unsupported_type", "Accept")


def test_a_release_of_before_says_what_it_does_not_keep(home: Home) -> None:
    publish_tiny(home, "old")
    promote(home, "old")
    for path, words in (("/v1/score", "the spread of its codes"), ("/v1/neighbors", "the codes of reference rows")):
        refused(in_process(home, path, {"x": X.tolist()}), 404, "not_found", None, words, "old", "manifold train")
    assert len(in_process(home, "/v1/interpolate", {"x": X[:2].tolist()}).json()["x"]) == 8


def test_large_requests_are_answered_a_few_rows_at_a_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = publish_tiny(home, "one", sampling=every_method(), network=Tiny.linear())
    promote(home, "one")
    x = usual_rows(seed=6)[:100]
    # 30 rows have a turn, and 7 of them are compared at a time; the last are fewer.
    monkeypatch.setattr(places, "_PART_ROWS", 30)
    monkeypatch.setattr(neighbours, "_CHUNK_NUMBERS", 7 * 50)
    monkeypatch.setattr(scoring, "_CHUNK_NUMBERS", 7 * 16)
    found = in_process(home, "/v1/neighbors", {"x": x.tolist(), "k": 3}).json()
    assert np.array_equal(found["id"], cdist(tiny.encode(x), known_codes(tiny)).argsort(1)[:, :3])
    scores = in_process(home, "/v1/score", {"x": x.tolist()}).json()
    assert np.allclose([scores["reconstruction_error"], scores["latent_distance"]], measured(tiny, x), rtol=1e-3)


def test_the_python_client_scores_finds_and_goes_between(server: Any, tiny: Tiny) -> None:
    codes = tiny.encode(X)
    with ManifoldClient(server.url) as client:
        scores = client.score(X)
        assert np.allclose((scores.reconstruction_error, scores.latent_distance), measured(tiny, X), rtol=1e-3)
        assert scores.latent_p.shape == scores.reconstruction_p.shape == (7,)
        near = client.neighbors(X, k=3)
        assert near.ids.shape == (7, 3)
        assert are_the_nearest(near.ids, near.distances, codes, known_codes(tiny))
        assert near.labels == [[LABELS[at] if at >= 0 else None for at in reference_labels()[row]] for row in near.ids]
        assert np.allclose(near.map, known_codes(tiny)[near.ids], atol=1e-5)
        same = client.neighbors(codes=codes, k=3, space="space-of-first")
        assert are_the_nearest(same.ids, same.distances, codes, known_codes(tiny))
        path = client.interpolate(codes=codes[:2], steps=3)
        assert np.allclose(path.codes, np.linspace(codes[0], codes[1], 3), atol=1e-4)
        assert np.allclose(path.rows, tiny.decode(path.codes), atol=1e-2)
        assert client.interpolate_png(X[:2]).startswith(b"\x89PNG")
        assert (scores.space, near.release, path.space) == ("space-of-first", "first", "space-of-first")
        with pytest.raises(ServiceError, match="elsewhere"):
            client.neighbors(codes=codes, space="elsewhere")
        with pytest.raises(ServiceError, match="one of rows and codes"):
            client.interpolate()


def test_the_commands_print_scores_and_neighbours_and_write_a_path(server: Any, tiny: Tiny, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", reference_rows()[[2, 49]])
    np.save(tmp_path / "z.npy", known_codes(tiny)[[2, 49]])
    at = ["--url", server.url]
    shown = CliRunner().invoke(command_line, ["score", str(tmp_path / "x.npy"), *at])
    assert shown.output.count("latent distance") == 2, shown.output
    CliRunner().invoke(command_line, ["score", str(tmp_path / "x.npy"), "-o", str(tmp_path / "s.npy"), *at])
    assert np.allclose(np.load(tmp_path / "s.npy")[:, 0], measured(tiny, reference_rows()[[2, 49]])[0], rtol=1e-3)
    for given in ([str(tmp_path / "x.npy")], ["--codes", str(tmp_path / "z.npy")]):
        shown = CliRunner().invoke(command_line, ["neighbors", *given, "-k", "1", *at])
        first, second, origin = shown.output.splitlines()
        assert first.startswith("2 0.0")
        # What would draw in a terminal is shown as it is.
        assert first.endswith(" [red]ko?ala")
        assert second.startswith("49 0.0")
        assert origin == "space space-of-first, release first"
        for name in ("way.npy", "way.png"):
            shown = CliRunner().invoke(command_line, ["interpolate", *given, "-o", str(tmp_path / name), *at])
            assert shown.exit_code == 0, shown.output
        rows = np.load(tmp_path / "way.npy")
        assert np.allclose(rows[[0, -1]], tiny.decode(known_codes(tiny)[[2, 49]]), atol=1e-2)
        assert (tmp_path / "way.png").read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(command_line, ["neighbors", *at]).exit_code == 2


def test_rows_are_counted_by_what_was_done(http: httpx.Client) -> None:
    for path in ("score", "neighbors"):
        http.post(f"/v1/{path}", json={"x": X.tolist()})
    text = http.get("/metrics").text
    for path in ("score", "neighbors"):
        assert f'manifold_rows_total{{operation="{path}"}}' in text
        assert f'manifold_requests_total{{route="/v1/{path}",status="200"}}' in text
