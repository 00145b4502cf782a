"""A release, opened for drawing: its runtime, its reference rows with codes and labels, and how a row looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8
from safetensors import SafetensorError, safe_open

from flows.steps.figures import Look
from flows.steps.training_state import WEIGHTS_FILE
from service.release.manifest import Manifest
from service.runtime import Runtime

_FIRST_WEIGHT = "_pairs.0.weight"


@dataclass(frozen=True)
class ReleaseData:
    """What the pictures of a release are drawn from. Rows are float32, in the data's own units.

    rows: (n, *shape) of the training split. codes: (n, code). points: (n, 2). labels: (n,), None without.
    """

    folder: Path
    manifest: Manifest
    runtime: Runtime
    rows: Float32[np.ndarray, "n ..."]
    codes: Float32[np.ndarray, "n code"]
    points: Float32[np.ndarray, "n 2"]
    labels: Int64[np.ndarray, " n"] | None
    look: Look

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> ReleaseData:
        """Open a release, or a complete draft of one.

        Raises:
            ModelError: a graph cannot be loaded.
            OSError, ValueError: a reference file cannot be read; `verify_release` finds that out before.
        """
        reference = {path.stem: np.load(path) for path in sorted((folder / "reference").glob("*.npy"))}
        rows, stated = reference["rows"].astype(np.float32), manifest.input
        image = stated.kind == "image"
        look = Look.of_images(stated.minimum, stated.maximum) if image else Look.of_vectors(rows)
        runtime = Runtime.load(folder, manifest, device="cpu")
        labels = reference.get("labels")
        return cls(folder, manifest, runtime, rows, reference["codes"], reference["map"], labels, look)

    @property
    def what(self) -> str:
        """What an input is made of."""
        return "pixels" if self.look.is_image else "features"

    @property
    def names(self) -> list[str] | None:
        """The label of each reference row, in words; None without labels."""
        known = self.manifest.data.label_names
        return None if self.labels is None or known is None else [known[int(label)] for label in self.labels]

    def tiles(self, rows: Shaped[np.ndarray, "rows ..."]) -> UInt8[np.ndarray, "rows height width *colour"]:
        """Rows as they are drawn."""
        return self.look.tiles(rows)

    def scaled(self) -> Float32[np.ndarray, "n features"]:
        """Reference rows flattened, each feature in the unit that errors are counted in: distances mean something."""
        flat = self.rows.reshape(len(self.rows), -1)
        scaled: Float32[np.ndarray, "n features"] = flat / np.asarray(self.manifest.input.scale, np.float32)
        return scaled

    def first_weight(self) -> Float32[np.ndarray, "units ..."] | None:
        """The encoder weight of the first layer: (units, features), or (channels, colours, kernel, kernel).

        None where the release's weights have no such layer.
        """
        try:
            with safe_open(self.folder / WEIGHTS_FILE, framework="numpy") as weights:
                if _FIRST_WEIGHT not in weights.keys():  # noqa: SIM118 - no mapping
                    return None
                weight: Float32[np.ndarray, "units ..."] = weights.get_tensor(_FIRST_WEIGHT)
                return weight
        except (OSError, SafetensorError):
            return None
