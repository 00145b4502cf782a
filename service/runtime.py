"""A release, loaded: its graphs and its density. What flows measure with is what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.release.manifest import Manifest
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
    run_session,
)

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
    "resolve_device",
]


class Runtime:
    """Encoder, decoder, density and perhaps classifier of one release, loaded. Safe to use from several threads.

    Attributes:
        manifest: what the release states.
        device: "cuda" or "cpu", as the sessions themselves report it.
    """

    def __init__(self, folder: Path, manifest: Manifest, encoder: Any, decoder: Any, classifier: Any = None) -> None:
        self.manifest = manifest
        self.device: Device = device_of(encoder)
        self._folder = folder
        self._encoder = encoder
        self._decoder = decoder
        self._classifier = classifier
        self._weights = _load_array(folder / "density" / "weights.npy")
        self._means = _load_array(folder / "density" / "means.npy")
        self._cholesky = _load_array(folder / "density" / "cholesky.npy")

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, *, device: DeviceChoice, threads: int = 1) -> Runtime:
        """Open the graphs of a release: two, or three where its manifest names a classifier.

        Args:
            folder: the release's folder, verified by the caller.
            manifest: its manifest.
            device: "auto" takes CUDA where it is really there; "cuda" and "cpu" take that or raise.
            threads: threads within one operator on the CPU.

        Raises:
            DeviceUnavailableError: `device` is "cuda" and ONNX Runtime does not get it.
            ModelLoadError: a graph cannot be loaded, or has other inputs or outputs than the manifest says.
        """
        layers = manifest.code.layers
        codes = {f"code_{depth}": layer.width for depth, layer in enumerate(layers[:-1], start=1)}
        row = list(manifest.input.shape)
        encoder = open_session(folder / "encoder.onnx", device, threads)
        decoder = open_session(folder / "decoder.onnx", device, threads)
        code = [manifest.code.size]
        _check_signature(encoder, folder, {"x": row}, {"z": code} | {n: [w] for n, w in codes.items()})
        _check_signature(decoder, folder, {"z": code}, {"x": row})
        classifier = None
        if manifest.classifier is not None:
            classifier = open_session(folder / "classifier.onnx", device, threads)
            _check_signature(classifier, folder, {"x": row}, {"p": [manifest.classifier.classes]})
        return cls(folder, manifest, encoder, decoder, classifier)

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
        layers = len(self.manifest.code.layers)
        if depth is not None and not 1 <= depth <= layers:
            raise ValueError(f"depth {depth} came, 1 to {layers} expected")
        output = "z" if depth in (None, layers) else f"code_{depth}"
        return run_session(self._encoder, "x", output, x)

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

    def sample(self, n: int, seed: int) -> Floats:
        """Draw codes from the Gaussian mixture fitted to the training codes (Ghosh et al. 2020).

        Args:
            n: how many.
            seed: the same seed gives the same codes.

        Returns:
            (n, code size).
        """
        generator = np.random.default_rng(seed)
        weights = np.asarray(self._weights, dtype=np.float64)
        component = generator.choice(len(weights), size=n, p=weights / weights.sum())
        z = generator.standard_normal((n, self._means.shape[1]))
        for chosen in np.unique(component):
            rows = component == chosen
            z[rows] = self._means[chosen] + z[rows] @ self._cholesky[chosen].T
        return z.astype(np.float32)

    def reproduce_golden(self) -> None:
        """Run the golden batch and compare with the answers the release was published with.

        Raises:
            GoldenMismatchError: an answer differs by more than the release allows.
            ModelLoadError: a golden file cannot be read.
        """
        golden = self.manifest.golden
        x, z, reconstruction = (
            _load_array(self._folder / "golden" / f"{name}.npy") for name in ("x", "z", "reconstruction")
        )
        self._compare("code", self.encode(x), z, golden.code_tolerance)
        self._compare("reconstruction", self.reconstruct(x), reconstruction, golden.output_tolerance)
        if self.manifest.classifier is not None:
            p = _load_array(self._folder / "golden" / "p.npy")
            self._compare("probability", self.classify(x), p, self.manifest.classifier.tolerance)

    def _compare(self, what: str, found: Floats, expected: npt.NDArray[Any], tolerance: float) -> None:
        release = f"release {self.manifest.version} on {self.device}"
        if found.shape != expected.shape:
            raise GoldenMismatchError(f"{release}: golden {what} {found.shape}, expected {expected.shape}")
        largest = float(np.abs(found - expected).max(initial=0.0))
        # Written so that NaN fails.
        if not largest <= tolerance:
            raise GoldenMismatchError(
                f"{release}: golden {what} differs by {largest:.3g}, at most {tolerance:.3g} is allowed"
            )


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


def _load_array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be read: {error}") from error
    return array
