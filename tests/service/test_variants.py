"""Variants in fewer bits: served only where the release has them and they keep enough neighbours."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest

from service.champion import Champion
from service.metrics import Metrics
from service.release.home import Home
from service.release.variants import VariantName
from service.runtime import resolve_device
from service.settings import Settings
from tests.service.test_hostile_releases import Harm, array, forge, stated
from tests.service.tiny import Tiny, promote, publish_tiny
from tests.service.tiny_graphs import decoder_graph, encoder_graph

OTHER = Tiny.of_seed(7)


def publish_with_int8(home: Home, version: str, *, agreement: float = 0.97, name: str = "int8") -> None:
    """Publish a release whose variant is another tiny network, so that its answers can be told apart."""
    publish_tiny(home, version)

    def add(folder: Path, manifest: dict[str, Any]) -> None:
        at = folder / "variants" / name
        (at / "golden").mkdir(parents=True)
        onnx.save(encoder_graph(OTHER), at / "encoder.onnx")
        onnx.save(decoder_graph(OTHER), at / "decoder.onnx")
        z = OTHER.encode(np.load(folder / "golden" / "x.npy"))
        np.save(at / "golden" / "z.npy", z)
        np.save(at / "golden" / "reconstruction.npy", OTHER.decode(z))
        manifest["variants"] = [
            {
                "name": name,
                "neighbour_agreement": 0.99,
                "neighbour_agreement_among_float32": agreement,
                "neighbours": 10,
                "split": "test",
                "rows": 100,
                "least_neighbour_agreement": 0.95,
                "bytes": 1,
                "float32_bytes": 4,
                "code_tolerance": 1e-3,
                "output_tolerance": 1e-1,
            }
        ]

    forge(home.store / version, add)


def champion_of(home: Home, variant: VariantName) -> Champion:
    return Champion(Settings(home=home.root, variant=variant, calibration_seconds=0), Metrics())


def test_a_served_variant_answers_until_a_release_comes_that_must_not_be_served(
    home: Home, start_server: Callable[..., Any], wait_for: Callable[..., httpx.Response]
) -> None:
    publish_with_int8(home, "good")
    publish_with_int8(home, "lossy", agreement=0.94)
    promote(home, "good")
    x = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
    with start_server(home, MANIFOLD_VARIANT="int8") as server:
        wait_for(server, "/readyz", 200)
        promote(home, "lossy")
        until = time.monotonic() + 15
        while (about := httpx.get(server.url + "/v1/models").json())["failure"] is None:
            assert time.monotonic() < until, about["live"]
            time.sleep(0.05)
        failure = about["failure"]
        answer = httpx.post(server.url + "/v1/embed", json={"x": x.tolist()}).json()
    assert about["live"] == "good"
    assert about["variant"] == "int8"
    assert failure["release"] == "lossy"
    assert "int8 keeps 0.990 of the 10 nearest neighbours (0.940 among float32 codes)" in failure["message"]
    assert "at least 0.95 is asked" in failure["message"]
    assert np.allclose(answer["z"], OTHER.encode(x), atol=1e-4)
    assert answer["space"] == "space-of-good"


@pytest.mark.parametrize(
    ("variant", "name", "words"),
    [
        ("int8", None, r"release bad has no variant int8, only float32: .* --set export.variants=\[int8\]"),
        ("int8", "float16", "has no variant int8, only float32, float16"),
        ("float16", "float16", "variant float16 is served on CUDA only"),
    ],
)
def test_a_variant_that_is_not_there_or_of_no_use_here_leaves_the_old_release(
    home: Home, variant: VariantName, name: str | None, words: str
) -> None:
    publish_tiny(home, "bad") if name is None else publish_with_int8(home, "bad", name=name)
    promote(home, "bad")
    champion = champion_of(home, variant)
    champion.look()
    assert not champion.is_live
    assert champion.failure is not None
    assert re.search(words, champion.failure.message)


def test_a_release_with_variants_is_served_in_float32_unless_told_otherwise(home: Home) -> None:
    publish_with_int8(home, "lossy", agreement=0.1)
    promote(home, "lossy")
    champion = Champion(Settings(home=home.root), Metrics())
    champion.look()
    x = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
    assert np.allclose(champion.live().runtime.encode(x), Tiny.of_seed(0).encode(x), atol=1e-4)


def test_cuda_that_is_not_there_is_refused_for_a_variant_too(home: Home) -> None:
    if resolve_device("auto") == "cuda":
        pytest.skip("CUDA is really here")
    publish_with_int8(home, "good")
    promote(home, "good")
    for seconds in (0.0, 0.02):
        champion = Champion(
            Settings(home=home.root, device="cuda", variant="int8", calibration_seconds=seconds), Metrics()
        )
        champion.look()
        assert not champion.is_live
        assert champion.failure is not None
        assert "ONNX Runtime gets none here" in champion.failure.message


def of_another_shape(folder: Path, _: dict[str, Any]) -> None:
    onnx.save(encoder_graph(Tiny.of_seed(0, (4, 5))), folder / "variants" / "int8" / "encoder.onnx")


def without_graph(folder: Path, _: dict[str, Any]) -> None:
    (folder / "variants" / "int8" / "decoder.onnx").unlink()


def twice(_: Path, manifest: dict[str, Any]) -> None:
    manifest["variants"] *= 2


def figure(value: object, name: str) -> Harm:
    return lambda _, manifest: manifest["variants"][0].update({name: value})


HARMS: dict[str, tuple[Harm, str]] = {
    "a variant of another shape": (of_another_shape, r"input x has shape \['batch', 4, 5\]"),
    "a variant without its decoder": (without_graph, r"cannot load .*variants/int8/decoder\.onnx"),
    "golden codes that it does not give": (
        array("variants/int8/golden/z", np.zeros((5, 2))),
        "bad in int8 on cpu: gold",
    ),
    "golden answers of fewer rows": (array("variants/int8/golden/z", np.zeros((4, 2))), r"golden code \(5, 2\), expec"),
    "a variant twice": (twice, "two variants have the same name"),
    "a share above 1": (figure(1.5, "neighbour_agreement"), "less than or equal to 1"),
    "a bound of 0": (figure(0, "least_neighbour_agreement"), "greater than 0"),
    "a name that leads elsewhere": (figure("../..", "name"), "'int8' or 'float16'"),
    "variants that are none": (stated("int8", "variants"), "variants: Input should be a valid"),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("variants") / "home")
    publish_with_int8(home, "good")
    publish_with_int8(home, "bad")
    promote(home, "good")
    return home


@pytest.mark.parametrize("name", HARMS)
def test_a_variant_that_does_not_fit_its_release_never_goes_live(home: Home, two: Home, name: str) -> None:
    shutil.copytree(two.root, home.root)
    champion = champion_of(home, "int8")
    champion.look()
    harm, words = HARMS[name]
    forge(home.store / "bad", harm)
    promote(home, "bad")
    champion.look()
    assert champion.live().release == "good"
    assert champion.failure is not None
    assert re.search(words, champion.failure.message)
