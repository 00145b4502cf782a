"""What this machine has of what Manifold needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from flows.steps.places import data_folder
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import resolve_device

_NEEDED = {
    "service": ("bentoml", "numpy", "pydantic"),
    "training": ("torch", "torchvision", "prefect", "onnx", "safetensors", "scikit-learn"),
}
_LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Args:
        state: `missing` means that the main job cannot run.
        what: what was looked at.
        found: what is there.
        mend: the command that mends it, where there is something to mend.
    """

    state: Literal["ok", "note", "missing"]
    what: str
    found: str
    mend: str | None = None


def diagnose(home: Home) -> list[Finding]:
    """Look at everything the main job needs; nothing is changed, nothing is contacted."""
    return [
        _python(),
        *_packages(),
        _runtime(),
        _device(),
        *_data(),
        _home(home),
        _champion(home),
        _prefect(),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("ok", "Python", version)


def _packages() -> Iterator[Finding]:
    for group, names in _NEEDED.items():
        found = {name: _version(name) for name in names}
        text = ", ".join(f"{name} {version or 'not installed'}" for name, version in found.items())
        if all(found.values()):
            yield Finding("ok", group, text)
        else:
            yield Finding("missing", group, text, "make install")


def _runtime() -> Finding:
    """Two wheels own the same files: the one installed last wins, silently."""
    installed = [name for name in ("onnxruntime-gpu", "onnxruntime") if _version(name)]
    text = ", ".join(f"{name} {_version(name)}" for name in installed) or "not installed"
    if not installed:
        return Finding("missing", "ONNX Runtime", text, "make install")
    if len(installed) > 1:
        mend = "pip uninstall onnxruntime onnxruntime-gpu, then make clean install"
        return Finding("missing", "ONNX Runtime", f"{text}: only one may be", mend)
    return Finding("ok", "ONNX Runtime", text)


def _device() -> Finding:
    device = resolve_device("auto")
    if device == "cuda":
        return Finding("ok", "device", "cuda")
    return Finding("note", "device", "cpu: ONNX Runtime gets no CUDA device here")


def _data() -> Iterator[Finding]:
    folder = data_folder()
    raw = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    if raw.is_file():
        yield Finding("ok", "data", f"MNIST in {folder}")
    else:
        text = f"no MNIST in {folder}; without a network the bundled digits are used"
        yield Finding("note", "data", text, "manifold train --source mnist downloads it, or set MANIFOLD_DATA")


def _home(home: Home) -> Finding:
    existing = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{home.root}, {free / 1024**3:.1f} GiB free"
    if not os.access(existing, os.W_OK):
        return Finding("missing", "home", f"{text}, not writable", "set MANIFOLD_HOME to a folder of yours")
    if free < _LEAST_FREE_BYTES:
        return Finding("note", "home", text, "free some space, or set MANIFOLD_HOME to another disk")
    return Finding("ok", "home", text)


def _champion(home: Home) -> Finding:
    try:
        champion = Channels(home).read().champion
        if champion is None:
            return Finding("note", "champion", "none yet", "manifold train")
        verify_release(ReleaseStore(home).folder(champion))
    except ReleaseError as error:
        return Finding("missing", "champion", str(error), "manifold releases rollback, or manifold train")
    return Finding("ok", "champion", f"{champion}, every file as published")


def _prefect() -> Finding:
    if address := os.environ.get("PREFECT_API_URL"):
        return Finding("ok", "Prefect server", address)
    return Finding("ok", "Prefect server", "PREFECT_API_URL is not set: one is started beside each run")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
