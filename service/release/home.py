"""Where everything that outlives a process lies: one folder, `MANIFOLD_HOME`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MODEL_NAME = "autoencoder"


@dataclass(frozen=True)
class Home:
    """The folder below which releases, channels, datasets and training state lie.

    Args:
        root: the folder, absolute. It need not exist yet.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """`MANIFOLD_HOME`, by default `.manifold` below the current folder."""
        return cls(Path(os.environ.get("MANIFOLD_HOME") or ".manifold").absolute())

    @property
    def bentoml(self) -> Path:
        """BentoML's own home: `BENTOML_HOME` for its command line."""
        return self.root / "bentoml"

    @property
    def store(self) -> Path:
        """One folder a release, laid out as BentoML's model store lays it."""
        return self.bentoml / "models" / MODEL_NAME

    @property
    def staging(self) -> Path:
        """Releases being written: the same file system as the store, so that a rename publishes them."""
        return self.root / "staging"

    @property
    def serving(self) -> Path:
        """One file a worker of a service: which release it has loaded, and how it does."""
        return self.root / "serving"

    @property
    def pruned(self) -> Path:
        """The manifests of releases that were removed from the store, so that their spaces can still be told."""
        return self.root / "pruned"

    @property
    def channels(self) -> Path:
        """The file that names champion, previous and candidate; replaced whole at each move."""
        return self.root / "channels" / f"{MODEL_NAME}.json"

    @property
    def journal(self) -> Path:
        """Every move of a channel, one JSON line each, oldest first."""
        return self.root / "channels" / f"{MODEL_NAME}.journal.jsonl"

    @property
    def keys(self) -> Path:
        """The API keys, hashed; readable by its owner only, replaced whole at each change."""
        return self.root / "keys" / "keys.json"

    @property
    def drift(self) -> Path:
        """Statistics of the rows that the service has seen, a folder a release; never rows."""
        return self.root / "drift"
