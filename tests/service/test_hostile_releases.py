"""Releases whose digests agree and whose parts do not fit each other: none of them goes live."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from service.champion import Champion
from service.release.home import Home
from service.release.integrity import digest_files
from tests.service.tiny import every_method, promote, publish_tiny

Harm = Callable[[Path, dict[str, Any]], None]


def array(name: str, content: Any) -> Harm:
    """Another array in that file."""
    return lambda folder, _: np.save(folder / f"{name}.npy", content, allow_pickle=False)


def stated(value: Any, *field: str) -> Harm:
    """Another value in the manifest."""

    def harm(_: Path, manifest: dict[str, Any]) -> None:
        part = manifest
        for name in field[:-1]:
            part = part[name]
        part[field[-1]] = value

    return harm


def without_reference(folder: Path, _: dict[str, Any]) -> None:
    (folder / "reference" / "rows.npy").unlink()


def archive(folder: Path, _: dict[str, Any]) -> None:
    with (folder / "density" / "means.npy").open("wb") as file:
        np.savez(file, means=np.zeros((2, 2)))


def empty_file(folder: Path, _: dict[str, Any]) -> None:
    (folder / "density" / "means.npy").write_bytes(b"")


def walk_to_nowhere(folder: Path, _: dict[str, Any]) -> None:
    graph = onnx.load(folder / "walk.onnx")
    for constant in graph.graph.initializer:
        if constant.name == "back":
            constant.CopyFrom(numpy_helper.from_array(np.full((2, 16), np.inf, np.float32), "back"))
    onnx.save(graph, folder / "walk.onnx")


HARMS: dict[str, tuple[Harm, str]] = {
    "no reference rows": (without_reference, "rows.npy cannot be read"),
    "reference rows of another shape": (
        array("reference/rows", np.zeros((50, 4, 5), np.uint8)),
        r"uint8 \(50, 4, 5\) came, numbers \(rows, 4, 4\) expected",
    ),
    "empty reference": (array("reference/rows", np.zeros((0, 4, 4), np.uint8)), "rows.npy has no rows"),
    "reference rows of text": (array("reference/rows", np.full((5, 4, 4), "a")), r"<U1 \(5, 4, 4\) came"),
    "reference rows that are not finite": (array("reference/rows", np.full((5, 4, 4), np.nan)), "not finite"),
    "reference codes of another size": (array("reference/codes", np.zeros((50, 3))), r"numbers \(rows, 2\) expected"),
    "no reference codes": (array("reference/codes", np.zeros((0, 2))), r"map.npy: .* numbers \(0, 2\) expected"),
    "a map of fewer rows": (array("reference/map", np.zeros((49, 2))), r"numbers \(50, 2\) expected"),
    "a label without a name": (array("reference/labels", np.full(50, 3)), "label 3 came, 3 have a name"),
    "labels that are no whole numbers": (array("reference/labels", np.zeros(50)), r"float64 \(50,\) came"),
    "a spread of another size": (array("latent/cholesky", np.eye(3)), r"numbers \(2, 2\) expected"),
    "a singular spread": (array("latent/cholesky", np.diag([1.0, 0.0])), "a singular root"),
    "a spread that cannot be divided by": (array("latent/cholesky", np.diag([1.0, 5e-324])), "codes is singular"),
    "calibration that falls": (
        stated([1.0, 0.0], "calibration", "latent_distance"),
        "quantiles of latent_distance do not ascend",
    ),
    "weights of another size": (array("density/weights", np.ones(3)), r"\(3,\) came, numbers \(2\) expected"),
    "a weight below 0": (array("density/weights", np.array([-1.0, 2.0])), "weights are not all positive"),
    "means of another code": (array("density/means", np.zeros((2, 3))), r"numbers \(2, 2\) expected"),
    "roots of another size": (array("density/cholesky", np.ones((2, 3, 3))), r"numbers \(2, 2, 2\) expected"),
    "a singular root": (array("density/cholesky", np.zeros((2, 2, 2))), "singular"),
    "a root that is not triangular": (array("density/cholesky", np.ones((2, 2, 2))), "singular"),
    "more components than arrays": (stated(3, "density", "components"), r"numbers \(3\) expected"),
    "an archive for an array": (archive, "is no array"),
    "an empty file": (empty_file, "means.npy cannot be read"),
    "a walk that is not finite": (walk_to_nowhere, "a row drawn by jacobian_walk is not finite"),
    "shift of another length": (stated([0.0, 0.0], "sampling", "shift"), "sampling.shift is one number, or one a"),
    "scale of another length": (stated([1.0, 1.0], "input", "scale"), "scale is one number above 0, or one a feature"),
    "scale of 0": (stated([0.0], "input", "scale"), "scale is one number above 0"),
    "five channels": (stated([4, 4, 5], "input", "shape"), r"\(4, 4, 5\) came, that of one image expected"),
    "an image of one side": (stated([16], "input", "shape"), r"shape \(16,\) came"),
    "a metric that is not there": (stated("accuracy", "classifier", "metric"), "accuracy, which is none of metrics"),
    "quantiles that fall": (stated([0.0, -1.0], "sampling", "log_density"), "log_density do not ascend"),
    "a share above 1": (stated(2.0, "sampling", "walkback", "share"), "less than or equal to 1"),
    "a level above 1": (stated(1.5, "sampling", "walkback", "level"), "level 1.5 came, a share from 0 to 1"),
    "a level below 0": (stated(-0.5, "sampling", "walkback", "level"), "greater than or equal to 0"),
    "low above high": (stated(2.0, "sampling", "walkback", "low"), "low is above high"),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the champion `good`, and `bad` to be harmed; each test copies it."""
    home = Home(tmp_path_factory.mktemp("two") / "home")
    publish_tiny(home, "good")
    promote(home, "good")
    publish_tiny(home, "bad", classifier=True, sampling=every_method())
    return home


@pytest.mark.parametrize("name", HARMS)
def test_a_release_whose_parts_do_not_fit_never_goes_live(
    home: Home, two: Home, champion_of: Callable[[Home], Champion], name: str
) -> None:
    shutil.copytree(two.root, home.root)
    champion = champion_of(home)
    champion.look()
    harm, words = HARMS[name]
    forge(home.store / "bad", harm)
    promote(home, "bad")
    champion.look()
    assert champion.live().release == "good"
    assert champion.failure is not None
    assert champion.failure.release == "bad"
    assert re.search(words, champion.failure.message)


def test_the_release_that_nothing_was_done_to_goes_live(home: Home, champion_of: Callable[[Home], Champion]) -> None:
    publish_tiny(home, "good", classifier=True, sampling=every_method())
    forge(home.store / "good", stated("sae", "kind"))
    promote(home, "good")
    champion = champion_of(home)
    champion.look()
    assert champion.failure is None
    assert champion.live().release == "good"


def forge(folder: Path, harm: Harm) -> None:
    """Do harm to a release, and make its digests agree again."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    harm(folder, manifest)
    manifest["files"] = digest_files(folder)
    content = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(hashlib.sha256(content).hexdigest())
