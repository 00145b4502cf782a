"""Tiny real releases: small ONNX graphs, their numpy twins, and all else that a release must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from service.release.channels import Channels
from service.release.home import Home
from service.release.manifest import (
    Calibration,
    Classifier,
    Code,
    CodeLayer,
    Data,
    Density,
    Golden,
    Input,
    Latent,
    Manifest,
    Metric,
    Reference,
)
from service.release.sampling import JacobianWalk, Sampling, Walkback
from service.release.store import ReleaseStore
from tests.service.tiny_graphs import classifier_graph, decoder_graph, encoder_graph, walk_graph

# What the tiny classifier tells apart; a name from somebody's folder may hold anything.
LABELS = ("cat", "dog", "[red]ko\x1bala")


@dataclass(frozen=True)
class Tiny:
    """A tiny network in numpy, the same as its ONNX: tanh(x W1), then W2; decoded by W3, classified by W4."""

    shape: tuple[int, ...]
    inner: np.ndarray[Any, np.dtype[np.float32]]
    outer: np.ndarray[Any, np.dtype[np.float32]]
    back: np.ndarray[Any, np.dtype[np.float32]]
    head: np.ndarray[Any, np.dtype[np.float32]]

    @classmethod
    def of_seed(cls, seed: int, shape: tuple[int, ...] = (4, 4)) -> Tiny:
        generator = np.random.default_rng(seed)
        size = int(np.prod(shape))
        return cls(
            shape,
            generator.normal(0, 0.05, (size, 3)).astype(np.float32),
            generator.normal(size=(3, 2)).astype(np.float32),
            generator.normal(100, 20, (2, size)).astype(np.float32),
            generator.normal(0, 3, (3, len(LABELS))).astype(np.float32),
        )

    @classmethod
    def linear(cls) -> Tiny:
        """One that is as good as linear, and rebuilds exactly whatever it can decode, however far off."""
        axes = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 2)))[0]
        inner = np.concatenate([axes, np.zeros((16, 1))], 1) / 50
        weights = inner * 1e-6, np.eye(3, 2) * 1e6, 50 * axes.T, np.zeros((3, len(LABELS)))
        return cls((4, 4), *(array.astype(np.float32) for array in weights))

    def inner_code(self, x: Any) -> Any:
        return np.tanh(np.asarray(x, np.float32).reshape(len(x), self.inner.shape[0]) @ self.inner)

    def encode(self, x: Any) -> Any:
        return self.inner_code(x) @ self.outer

    def classify(self, x: Any) -> Any:
        powers = np.exp(self.inner_code(x) @ self.head)
        return powers / powers.sum(1, keepdims=True)

    def jacobians(self, x: Any) -> Any:
        """dz/dx of each row, (rows, 2, features)."""
        slopes = 1 - self.inner_code(x) ** 2
        return np.einsum("kc,nk,fk->ncf", self.outer, slopes, self.inner)

    def decode(self, z: Any) -> Any:
        return (np.asarray(z, np.float32) @ self.back).reshape(-1, *self.shape)


def publish_tiny(
    home: Home,
    version: str,
    *,
    seed: int = 0,
    shape: tuple[int, ...] = (4, 4),
    space: str | None = None,
    golden_off_by: float = 0.0,
    classifier: bool = False,
    p_off_by: float = 0.0,
    sampling: Sampling | None = None,
    recipe: dict[str, Any] | None = None,
    network: Tiny | None = None,
    changes: dict[str, Any] | None = None,
) -> Tiny:
    """Publish a tiny release, with density and golden batch; `golden_off_by`, `p_off_by` make it irreproducible.

    `changes` are parts of the manifest that are something else than a tiny release's own.
    With `sampling` it has a walk and 50 reference rows too, and can score rows and find neighbours.
    """
    tiny = network or Tiny.of_seed(seed, shape)
    x = np.random.default_rng(1).uniform(0, 255, (5, *shape)).astype(np.float32)
    z = tiny.encode(x)
    store = ReleaseStore(home)
    with store.draft() as draft:
        onnx.save(encoder_graph(tiny), draft / "encoder.onnx")
        onnx.save(decoder_graph(tiny), draft / "decoder.onnx")
        for folder, arrays in {
            "golden": {"x": x, "z": z + np.float32(golden_off_by), "reconstruction": tiny.decode(z)},
            "density": {
                "weights": np.array([0.25, 0.75]),
                "means": np.array([[-1.0, 0.0], [1.0, 0.0]]),
                "cholesky": np.array([0.1 * np.eye(2), 0.1 * np.eye(2)]),
            },
        }.items():
            (draft / folder).mkdir()
            for name, array in arrays.items():
                np.save(draft / folder / f"{name}.npy", array, allow_pickle=False)
        manifest = _manifest(version, space or f"space-of-{version}", shape, sampling)
        if recipe is not None:
            manifest = manifest.model_copy(update={"recipe": recipe})
        if sampling is not None:
            onnx.save(walk_graph(tiny), draft / "walk.onnx")
            (draft / "reference").mkdir()
            (draft / "latent").mkdir()
            codes = tiny.encode(reference_rows(shape))
            for name, array in {
                "reference/rows": reference_rows(shape),
                "reference/codes": codes,
                "reference/map": codes,
                "reference/labels": reference_labels(),
                "latent/cells": codes[::10],
                "latent/cholesky": np.linalg.cholesky(np.cov(codes.astype(np.float64), rowvar=False)),
            }.items():
                np.save(draft / f"{name}.npy", array, allow_pickle=False)
            manifest = _with_places(manifest, tiny, codes)
        if classifier:
            onnx.save(classifier_graph(tiny), draft / "classifier.onnx")
            np.save(draft / "golden" / "p.npy", tiny.classify(x) + np.float32(p_off_by), allow_pickle=False)
            named = Classifier(classes=len(LABELS), label_names=LABELS, metric="classification_error", tolerance=1e-4)
            error = Metric(
                name="classification_error", value=20, unit="% of rows", split="test", rows=5, better="lower"
            )
            manifest = manifest.model_copy(update={"classifier": named, "metrics": (error,)})
        store.publish(draft, manifest.model_copy(update=changes or {}))
    return tiny


def reference_rows(shape: tuple[int, ...] = (4, 4)) -> Any:
    """What a tiny release with sampling keeps of its training rows."""
    return np.random.default_rng(2).integers(0, 256, (50, *shape)).astype(np.uint8)


def reference_labels() -> Any:
    """The label of each; the last have none."""
    return np.where(np.arange(50) < 45, np.arange(50) % len(LABELS), -1)


def usual_rows(shape: tuple[int, ...] = (4, 4), seed: int = 3) -> Any:
    """As those that a tiny release with sampling is calibrated on."""
    return np.random.default_rng(seed).uniform(0, 255, (400, *shape)).astype(np.float32)


def measured(tiny: Tiny, x: Any) -> tuple[Any, Any]:
    """Reconstruction error and latent distance of rows, as a tiny release with sampling has them."""
    codes, known = tiny.encode(x), tiny.encode(reference_rows(tiny.shape))
    error = np.square((tiny.decode(codes).astype(np.float64) - x) / 50).reshape(len(x), -1).sum(1)
    known = known.astype(np.float64)
    apart = codes.astype(np.float64) - known.mean(0)
    distance = np.sqrt(np.einsum("nc,cd,nd->n", apart, np.linalg.inv(np.cov(known, rowvar=False)), apart))
    return error, distance


def every_method() -> Sampling:
    """A sampling part with all methods; its quantiles are those of an even spread from -10 to 0 nats."""
    return Sampling(
        methods=("density", "walkback", "jacobian_walk"),
        default="density",
        steps=3,
        shift=(20.0,),
        walkback=Walkback(corruption="masking", level=0.25),
        jacobian_walk=JacobianWalk(sigma=0.1, step_share=0.3),
        log_density=tuple(np.linspace(-10, 0, 11).tolist()),
        log_density_rows=100,
    )


def _with_places(manifest: Manifest, tiny: Tiny, codes: Any) -> Manifest:
    error, distance = (
        tuple(np.quantile(values, np.linspace(0, 1, 101)).tolist()) for values in measured(tiny, usual_rows(tiny.shape))
    )
    return manifest.model_copy(
        update={
            "latent": manifest.latent.model_copy(update={"mean": tuple(codes.astype(np.float64).mean(0).tolist())}),
            "calibration": Calibration(
                split="validation", rows=400, reconstruction_error=error, latent_distance=distance
            ),
            "data": manifest.data.model_copy(update={"label_names": LABELS}),
        }
    )


def promote(home: Home, version: str) -> None:
    """Make a published release the champion."""
    Channels(home).promote(version, who="a test", why="to be served", verdict="none")


def _manifest(version: str, space: str, shape: tuple[int, ...], sampling: Sampling | None) -> Manifest:
    return Manifest(
        name="autoencoder",
        version=version,
        space_id=space,
        created="2026-01-01T00:00:00+00:00",
        kind="sae",
        recipe={"kind": "sae"},
        seed=0,
        input=Input(
            kind="vector" if len(shape) == 1 else "image",
            shape=shape,
            stored_dtype="uint8",
            minimum=0,
            maximum=255,
            scale=(50.0,) if sampling is not None else (1.0,),
        ),
        code=Code(
            size=2,
            layers=(
                CodeLayer(name="layer_1", kind="dense", width=3),
                CodeLayer(name="layer_2", kind="dense", width=2),
            ),
        ),
        data=Data(source="digits", fingerprint="f", rows={"train": 1, "validation": 1, "test": 1}),
        metrics=(),
        latent=Latent(mean=(0, 0), standard_deviation=(1, 1), minimum=(-1, -1), maximum=(1, 1)),
        density=Density(components=2, fitted_rows=1),
        calibration=Calibration(split="validation", rows=1, reconstruction_error=(0, 1), latent_distance=(0, 1)),
        golden=Golden(rows=5, code_tolerance=1e-3, output_tolerance=1e-1),
        reference=Reference(rows=1, map="code"),
        sampling=sampling,
        opset=20,
        versions={},
    )
