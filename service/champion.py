"""Which release is live: it follows the champion channel, and never takes what it has not tried.

The channel's file is looked at every `poll_seconds`. A new champion is verified (every sha256), loaded, made
to reproduce its golden batch and warmed; only then does it take the place of the live one, by one assignment.
Requests that were checked against the old one finish on it. One that fails leaves the old one in place.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from service.calibration import Setup, calibrate, cores_of_a_worker
from service.errors import NotReadyError
from service.honesty import judge
from service.memory import IdleMemory, give_back_memory
from service.metrics import Metrics
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.integrity import verify_release
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from service.runtime import (
    DeviceUnavailableError,
    GoldenMismatchError,
    ModelError,
    ModelLoadError,
    Runtime,
    networks_folder,
)
from service.sampling import Plan, draw, methods_of, run
from service.settings import Settings
from service.variants import check_device, check_servable

# Below BentoML's own logger, whose handlers and format a served process has.
logger = logging.getLogger("bentoml.manifold")

# A champion that failed may have been half copied, or the disk away for a moment.
_RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Live:
    """The release that answers. A request holds the one it was checked against until its end."""

    release: str
    manifest: Manifest
    runtime: Runtime


@dataclass(frozen=True)
class Failure:
    """Why the champion of the channel is not the live release."""

    release: str | None
    message: str
    kind: Literal["golden", "device", "load"] = "load"


class Champion:
    """Follows the champion channel.

    Args:
        settings: home, device, threads and how often to look.
        metrics: told which release is live, and of each failure.
        workers: processes that share this machine's cores.

    Attributes:
        failure: why the named champion is not live, or None.
        tries: how often in a row it could not be taken.
    """

    def __init__(self, settings: Settings, metrics: Metrics, workers: int = 1) -> None:
        self._workers = workers
        self._setups: dict[str, Setup] = {}
        self._memory = IdleMemory()
        self._settings = settings
        self._metrics = metrics
        self._channels = Channels(settings.at)
        self._store = ReleaseStore(settings.at)
        self._live: Live | None = None
        self._seen: tuple[int, ...] | None = None
        self._looked = False
        self._retry_at: float | None = None
        self.failure: Failure | None = None
        self.tries = 0

    @property
    def is_live(self) -> bool:
        """Whether any release answers."""
        return self._live is not None

    def live(self) -> Live:
        """The release that answers now.

        Raises:
            NotReadyError: none yet; the message says why and which command makes one.
        """
        live = self._live
        if live is not None:
            return live
        if self.failure is not None:
            raise NotReadyError(f"the champion cannot be served: {self.failure.message}")
        if self._looked:
            raise NotReadyError(f"no champion yet in {self._settings.home}: `manifold train` makes one")
        raise NotReadyError("the champion is being loaded")

    async def follow(self) -> None:
        """Look, for ever; runs as a task beside the requests."""
        while True:
            await asyncio.to_thread(self._look_at_all)
            await asyncio.sleep(self._settings.poll_seconds)

    def _look_at_all(self) -> None:
        self.look()
        self._memory.look()

    def look(self) -> None:
        """Look once at the channel, and take its champion if it is another one and proves good."""
        mark = self._mark()
        due = self._retry_at is not None and time.monotonic() >= self._retry_at
        if self._looked and mark == self._seen and not due:
            return
        # Taken before the file is read: a move in between is seen the next time.
        self._seen = mark
        named: str | None = None
        try:
            named = self._channels.read().champion
            self._take(named)
        except (ReleaseError, ModelError, OSError) as error:
            self._fail(Failure(named, str(error), _kind_of(error)))
        self._looked = True

    def _mark(self) -> tuple[int, ...] | None:
        try:
            status = self._channels.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _take(self, named: str | None) -> None:
        before = self._live
        if named is not None and (before is None or before.release != named):
            live = self._load(named)
            self._live = live
            logger.info(
                "release %s is live on %s (before: %s)",
                named,
                live.runtime.device,
                before.release if before else "none",
            )
            logger.info("ONNX Runtime runs it in %s with %s", live.runtime.variant, live.runtime.setup.as_fields())
            self._metrics.live(named, live.manifest.space_id, live.runtime.device)
        self.failure = None
        self._retry_at = None

    def _load(self, version: str) -> Live:
        folder = self._store.folder(version)
        manifest = verify_release(folder)
        device, variant = self._settings.device, self._settings.variant
        check_servable(manifest, variant)
        setup = self._setup(folder, manifest)
        runtime = Runtime.load(folder, manifest, device=device, setup=setup, variant=variant)
        check_device(variant, runtime.device)
        runtime.reproduce_golden()
        runtime.warm()
        _try_sampling(runtime)
        # The files were read into memory to be checked and loaded.
        give_back_memory()
        return Live(version, manifest, runtime)

    def _setup(self, folder: Path, manifest: Manifest) -> Setup:
        """How ONNX Runtime runs a release here; the same for every release whose networks are of the same size."""
        size = manifest.model_dump_json(include={"input": {"shape"}, "code": True})
        if size not in self._setups:
            cores = cores_of_a_worker(self._workers)
            self._setups[size] = calibrate(
                networks_folder(folder, self._settings.variant) / "encoder.onnx",
                manifest.input.shape,
                self._settings.device,
                cores=cores,
                threads=self._settings.threads,
                seconds=self._settings.calibration_seconds,
            )
        return self._setups[size]

    def _fail(self, failure: Failure) -> None:
        if failure != self.failure:
            logger.error("%s; %s", failure.message, "the old release goes on" if self._live else "no release is live")
        known = self.failure is not None and self.failure.release == failure.release
        self.tries = self.tries + 1 if known else 1
        self.failure = failure
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self._metrics.load_failures.inc()


def _kind_of(error: Exception) -> Literal["golden", "device", "load"]:
    if isinstance(error, GoldenMismatchError):
        return "golden"
    # This machine's own trouble, and no fault of the release.
    return "device" if isinstance(error, DeviceUnavailableError) else "load"


def _try_sampling(runtime: Runtime) -> None:
    """Draw one row by each method, and judge it: what fails here would fail for each client.

    Raises:
        ModelError: it fails, or a number is not finite.
    """
    release = runtime.manifest.version
    for method in methods_of(runtime.manifest):
        try:
            drawn = run(runtime, draw(runtime, Plan(method, count=1, steps=1, temperature=1.0, seed=0)))
            run(runtime, judge(runtime, drawn))
        except (ValueError, ArithmeticError) as error:
            raise ModelLoadError(f"release {release}: no row can be drawn by {method}: {error}") from error
        if not all(np.isfinite(numbers).all() for numbers in drawn):
            raise ModelLoadError(f"release {release}: a row drawn by {method} is not finite")
