"""What can be set from outside, by environment variables `MANIFOLD_*`: read once, checked, frozen."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import NoDecode

from service.release.home import Home
from service.release.policy import ReleasePolicy, wrong_variable
from service.release.variants import VariantName
from service.sessions import DeviceChoice

# As browsers write it; no *: who lets every web page ask, lets in whatever page a user happens to see.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")


class SettingsError(Exception):
    """An environment variable has a value that cannot be meant; the message is one line that names it."""


class Settings(ReleasePolicy):
    """The service's settings; each is an environment variable of the same name in capitals."""

    home: Path = Field(default=Path(".manifold"), description="where releases and channels lie")
    device: DeviceChoice = Field(
        default="auto",
        description="auto takes CUDA where it is really there; cuda takes it or refuses to start",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="threads within one operator on the CPU; not set: chosen by calibration",
    )
    calibration_seconds: float = Field(
        default=0.1, ge=0, le=60, description="how long to measure how ONNX Runtime runs best here; 0: not at all"
    )
    variant: VariantName = Field(
        default="float32",
        description="what the networks' numbers are stored in; int8 and float16 are served only if a release has them "
        "and they keep as many neighbours as its recipe asks",
    )
    max_rows: int = Field(default=4096, ge=1, description="rows of one request")
    max_queued_rows: int = Field(default=16_384, ge=1, description="rows that may wait; more are answered 429")
    max_sample_steps: int = Field(
        default=65_536, ge=1, description="steps of one request's chains: rows times steps; more are answered 422"
    )
    max_neighbours: int = Field(default=100, ge=1, description="neighbours of one row that may be asked for")
    max_body_bytes: int = Field(default=64 * 2**20, ge=1, description="bytes of one request's body")
    deadline_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="from a request's first byte to its answer; later is 504"
    )
    head_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="for a request's line and headers to come; later is 408"
    )
    max_connections: int = Field(
        default=900, ge=1, description="open at once, of one worker; where more come, idle ones are closed"
    )
    max_held_bytes: int = Field(
        default=512 * 2**20, ge=1, description="bodies in memory at once, of one worker; more are answered 429"
    )
    poll_seconds: float = Field(
        default=0.25, gt=0, le=60, description="how often the service looks for a newly promoted champion"
    )

    drift: bool = Field(default=True, description="whether statistics of the rows that come are kept, to find drift")
    drift_flush_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="how often they are written, and what a killed worker loses of them"
    )

    log_format: Literal["text", "json"] = Field(default="text", description="json writes one object a line")
    access_log_sample: float = Field(
        default=0.0, ge=0, le=1, description="share of the answers that get a line in the log; those of 500 always do"
    )
    tracing: bool = Field(default=False, description="OpenTelemetry spans; where to is said by OTEL_* variables")
    open_to_all: bool = Field(
        default=False, description="without any key, answer whoever reaches the service, on any address"
    )
    admin: bool = Field(default=False, description="whether releases can be promoted and rolled back over HTTP")
    rate_limit: float | None = Field(
        default=None, gt=0, description="requests a second of one key, in each worker; more are answered 429"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="origins whose web pages may ask, separated by commas"
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, came: object) -> object:
        origins = tuple(filter(None, map(str.strip, came.split(",")))) if isinstance(came, str) else came
        for origin in origins if isinstance(origins, tuple) else ():
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin}: an origin as https://example.org:8443 expected")
        return origins

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.absolute()

    @property
    def at(self) -> Home:
        """The home as the release room knows it."""
        return Home(self.home.absolute())


@functools.cache
def read_settings() -> Settings:
    """The settings of this process; the environment is read at the first call only.

    Raises:
        SettingsError: a variable has a wrong value; the message names it, its value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(wrong_variable(error)) from error
