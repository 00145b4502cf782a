"""A release, loaded: encoder, decoder, walk, classifier, density. What flows measure with is what is served."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.calibration import Setup
from service.known_rows import KnownRows
from service.neighbours import KnownCodes
from service.release.manifest import Manifest
from service.release.variants import VariantName
from service.release_arrays import read_array, read_density, read_places, read_reference, read_spread
from service.sessions import (
    Device,
    DeviceChoice,
    DeviceUnavailableError,
    Floats,
    GoldenMismatchError,
    ModelError,
    ModelLoadError,
    ModelRunError,
    device_of,
    open_session,
    resolve_device,
    run_graph,
    run_session,
)
from service.variants import VariantError, find_variant

__all__ = [
    "Device",
    "DeviceChoice",
    "DeviceUnavailableError",
    "Floats",
    "GoldenMismatchError",
    "ModelError",
    "ModelLoadError",
    "ModelRunError",
    "Runtime",
    "VariantError",
    "resolve_device",
]


class Runtime:
    """Encoder, decoder, density and perhaps classifier of one release, loaded. Safe to use from several threads.

    Attributes:
        manifest: what the release states.
        device: "cuda" or "cpu", as the sessions themselves report it.
        density: fitted to the training codes.
        reference: a bounded sample of the training rows, (n, *shape), in the data's own units, as they are stored;
            None where the release keeps none.
        spread: mean and covariance of the training codes; None where the release keeps none.
        setup: how ONNX Runtime runs them.
        variant: what encoder and decoder are stored in.
        known_codes: the codes of the reference rows, to find neighbours among; None where the release keeps none.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        encoder: Any,
        decoder: Any,
        walk: Any = None,
        classifier: Any = None,
        *,
        setup: Setup,
        variant: VariantName,
    ) -> None:
        self.setup = setup
        self.variant: VariantName = variant
        self.manifest = manifest
        self.device: Device = device_of(encoder)
        self._folder = folder
        self._encoder = encoder
        self._decoder = decoder
        self._walk = walk
        self._classifier = classifier
        self.density = read_density(folder, manifest)
        self.reference = read_reference(folder, manifest)
        self.spread = read_spread(folder, manifest)
        places = read_places(folder, manifest)
        self.known_codes = None if places is None else KnownCodes(places, manifest.data.label_names)

    @cached_property
    def known(self) -> KnownRows | None:
        """The reference rows, made ready to be compared with when first asked for; None where there are none."""
        if self.reference is None:
            return None
        return KnownRows(self.reference, np.asarray(self.manifest.input.scale, np.float64))

    @classmethod
    def load(
        cls,
        folder: Path,
        manifest: Manifest,
        *,
        device: DeviceChoice,
        setup: Setup | None = None,
        variant: VariantName = "float32",
    ) -> Runtime:
        """Open the graphs of a release: encoder, decoder, and what else its manifest names.

        Args:
            folder: the release's folder, verified by the caller.
            manifest: its manifest.
            device: "auto" takes CUDA where it is really there; "cuda" and "cpu" take that or raise.
            setup: how ONNX Runtime runs them; one thread within an operator where it is not given.
            variant: which encoder and decoder; whether it may be served is not asked here.

        Raises:
            DeviceUnavailableError: `device` is "cuda" and ONNX Runtime does not get it.
            VariantError: the release has no such variant.
            ModelLoadError: a graph cannot be loaded, or has other inputs or outputs than the manifest says; or density
                or reference rows are not as it says.
        """
        layers = manifest.code.layers
        codes = {f"code_{depth}": layer.width for depth, layer in enumerate(layers[:-1], start=1)}
        row = list(manifest.input.shape)
        find_variant(manifest, variant)
        setup = setup or Setup()
        at = networks_folder(folder, variant)
        encoder, decoder = (
            open_session(at / f"{name}.onnx", device, setup.threads, setup.spinning) for name in ("encoder", "decoder")
        )
        code = [manifest.code.size]
        _check_signature(encoder, folder, {"x": row}, {"z": code} | {n: [w] for n, w in codes.items()})
        _check_signature(decoder, folder, {"z": code}, {"x": row})
        walk = None
        if manifest.sampling is not None and manifest.sampling.jacobian_walk is not None:
            walk = open_session(folder / "walk.onnx", device, setup.threads, setup.spinning)
            _check_signature(walk, folder, {"x": row, "noise": code}, {"next_x": row, "z": code})
        classifier = None
        if manifest.classifier is not None:
            classifier = open_session(folder / "classifier.onnx", device, setup.threads, setup.spinning)
            _check_signature(classifier, folder, {"x": row}, {"p": [manifest.classifier.classes]})
        return cls(folder, manifest, encoder, decoder, walk, classifier, setup=setup, variant=variant)

    def encode(self, x: npt.ArrayLike, depth: int | None = None) -> Floats:
        """Rows -> codes.

        Args:
            x: (batch, *shape), in the data's own units.
            depth: 1 is the first greedy layer's code; the number of layers, or None, is the code z.

        Returns:
            (batch, width of that layer's code).

        Raises:
            ValueError: there is no layer of that depth.
            ModelRunError: ONNX Runtime failed, as in `decode` and `reconstruct`.
        """
        return run_session(self._encoder, "x", self._code_at(depth), x)

    def encode_depths(self, x: npt.ArrayLike, depths: Sequence[int | None]) -> list[Floats]:
        """Rows (batch, *shape) -> the code of each depth, as `encode` gives them, by one run.

        Raises:
            ValueError, ModelRunError: as `encode`.
        """
        return run_graph(self._encoder, {"x": x}, [self._code_at(depth) for depth in depths])

    def decode(self, z: npt.ArrayLike) -> Floats:
        """Codes (batch, code size) -> rows (batch, *shape), in the data's own units."""
        return run_session(self._decoder, "z", "x", z)

    def reconstruct(self, x: npt.ArrayLike) -> Floats:
        """Rows -> rows through the code: g(h(x)); (batch, *shape) in and out, in the data's own units."""
        return self.decode(self.encode(x))

    def classify(self, x: npt.ArrayLike) -> Floats:
        """Rows -> probabilities.

        Args:
            x: (batch, *shape), in the data's own units.

        Returns:
            (batch, classes), in the order of the manifest's `classifier.label_names`; each row adds up to 1.

        Raises:
            ValueError: the release has no classifier; its manifest says so.
            ModelRunError: ONNX Runtime failed.
        """
        if self._classifier is None:
            raise ValueError(f"release {self.manifest.version} has no classifier")
        return run_session(self._classifier, "x", "p", x)

    def nearest(self, x: npt.ArrayLike) -> Floats:
        """Distances of rows (batch, *shape) to the nearest reference row, (batch,), scaled units.

        Raises:
            ValueError: the release keeps no such rows.
        """
        if self.known is None:
            raise ValueError(f"release {self.manifest.version} keeps no reference rows")
        return self.known.nearest(np.asarray(x, np.float32))

    def walk(self, x: npt.ArrayLike, noise: npt.ArrayLike) -> tuple[Floats, Floats]:
        """One step of the Jacobian walk, h(x) + J Jᵀ ε, decoded.

        Args:
            x: (batch, *shape), in the data's own units.
            noise: ε, (batch, code size).

        Returns:
            The next rows, like x, and the codes that they were decoded from, like the noise.

        Raises:
            ModelLoadError: the release has no such walk.
            ModelRunError: ONNX Runtime failed.

        Source: Rifai et al. 2012, algorithm 1.
        """
        if self._walk is None:
            raise ModelLoadError(f"release {self.manifest.version} has no walk.onnx")
        rows, codes = run_graph(self._walk, {"x": x, "noise": noise}, ("next_x", "z"))
        return rows, codes

    def reproduce_golden(self) -> None:
        """Run the golden batch and compare with the answers the release was published with.

        Raises:
            GoldenMismatchError: an answer differs by more than the release allows.
            ModelLoadError: a golden file cannot be read.
        """
        # A variant has answers and tolerances of its own, to the same rows.
        expected = find_variant(self.manifest, self.variant) or self.manifest.golden
        x = read_array(self._folder / "golden" / "x.npy")
        at = networks_folder(self._folder, self.variant) / "golden"
        z, reconstruction = (read_array(at / f"{name}.npy") for name in ("z", "reconstruction"))
        self._compare("code", self.encode(x), z, expected.code_tolerance)
        self._compare("reconstruction", self.reconstruct(x), reconstruction, expected.output_tolerance)
        if self.manifest.classifier is not None:
            p = read_array(self._folder / "golden" / "p.npy")
            self._compare("probability", self.classify(x), p, self.manifest.classifier.tolerance)

    def warm(self) -> None:
        """Run a lone row and a full batch through all that answers rows, before the first client's come.

        Raises:
            ModelRunError: ONNX Runtime failed.
        """
        for count in (1, self.setup.batch_rows):
            rows = np.zeros((count, *self.manifest.input.shape), np.float32)
            self.reconstruct(rows)
            if self.manifest.classifier is not None:
                self.classify(rows)

    def _code_at(self, depth: int | None) -> str:
        """What the encoder's graph calls the code of a depth."""
        layers = len(self.manifest.code.layers)
        if depth is not None and not 1 <= depth <= layers:
            raise ValueError(f"depth {depth} came, 1 to {layers} expected")
        return "z" if depth in (None, layers) else f"code_{depth}"

    def _compare(self, what: str, found: Floats, expected: npt.NDArray[Any], tolerance: float) -> None:
        stored = "" if self.variant == "float32" else f" in {self.variant}"
        release = f"release {self.manifest.version}{stored} on {self.device}"
        if found.shape != expected.shape:
            raise GoldenMismatchError(f"{release}: golden {what} {found.shape}, expected {expected.shape}")
        largest = float(np.abs(found - expected).max(initial=0.0))
        # Written so that NaN fails.
        if not largest <= tolerance:
            raise GoldenMismatchError(
                f"{release}: golden {what} differs by {largest:.3g}, at most {tolerance:.3g} is allowed"
            )


def networks_folder(folder: Path, variant: VariantName) -> Path:
    """Where a variant's encoder and decoder lie in a release's folder, and its golden answers below."""
    return folder if variant == "float32" else folder / "variants" / variant


def _check_signature(session: Any, folder: Path, inputs: dict[str, list[int]], outputs: dict[str, list[int]]) -> None:
    for kind, stated, arguments in (
        ("input", inputs, session.get_inputs()),
        ("output", outputs, session.get_outputs()),
    ):
        found = {argument.name: argument for argument in arguments}
        for name, row in stated.items():
            shape = found[name].shape if name in found else None
            if shape is None or found[name].type != "tensor(float)" or not _fits(shape, row):
                raise ModelLoadError(
                    f"release {folder.name}: {kind} {name} has shape {shape}, float32 {['batch', *row]} expected"
                )


def _fits(shape: list[int | str | None], row: list[int]) -> bool:
    """Whether the batch is free and each other dimension is as stated, or left open by the exporter."""
    if len(shape) != len(row) + 1 or isinstance(shape[0], int):
        return False
    return all(found == stated for found, stated in zip(shape[1:], row, strict=True) if isinstance(found, int))
