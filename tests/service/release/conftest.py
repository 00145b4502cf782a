"""A home and a way to publish small releases into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.release.home import Home
from service.release.manifest import (
    Calibration,
    Code,
    CodeLayer,
    Data,
    Density,
    Golden,
    Input,
    Latent,
    Manifest,
    Reference,
)
from service.release.store import ReleaseStore


def manifest_of(version: str) -> Manifest:
    """What a release with two inputs and a code of one states."""
    return Manifest(
        name="autoencoder",
        version=version,
        space_id="space-1",
        created="2026-01-01T00:00:00+00:00",
        kind="ae",
        recipe={"kind": "ae"},
        seed=0,
        input=Input(kind="vector", shape=(2,), stored_dtype="float32", minimum=0, maximum=1),
        code=Code(size=1, layers=(CodeLayer(name="layer_1", kind="dense", width=1),)),
        data=Data(source="digits", fingerprint="f", rows={"train": 1, "validation": 1, "test": 1}),
        metrics=(),
        latent=Latent(mean=(0,), standard_deviation=(1,), minimum=(0,), maximum=(1,)),
        density=Density(components=1, fitted_rows=1),
        calibration=Calibration(split="validation", rows=1, reconstruction_error=(0, 1), latent_distance=(0, 1)),
        golden=Golden(rows=1, code_tolerance=1e-4, output_tolerance=1e-4),
        reference=Reference(rows=1, map="code"),
        opset=20,
        versions={},
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def publish(home: Home) -> Callable[[str], Path]:
    """publish(version) -> the folder of a published release with two files."""

    def publish_one(version: str) -> Path:
        store = ReleaseStore(home)
        with store.draft() as draft:
            (draft / "encoder.onnx").write_bytes(b"encoder of " + version.encode())
            (draft / "golden").mkdir()
            (draft / "golden" / "x.npy").write_bytes(b"rows")
            store.publish(draft, manifest_of(version))
        return store.folder(version)

    return publish_one
