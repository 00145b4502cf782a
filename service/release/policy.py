"""How long a new champion is on probation, and which old releases are removed: settings of service and flows alike."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.release.errors import PolicyError

ENVIRONMENT_PREFIX = "MANIFOLD_"


class ReleasePolicy(BaseSettings):
    """What becomes of a release after it was published; each is an environment variable of its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, env_ignore_empty=True)

    probation_seconds: float = Field(
        default=3600.0, ge=0, description="how long after its promotion a champion that fails is rolled back; 0: never"
    )
    probation_error_share: float = Field(
        default=0.05, ge=0, lt=1, description="more of its requests answered by a 5xx, and it has failed"
    )
    probation_requests: int = Field(default=20, ge=1, description="requests before their share says anything")
    keep_releases: int = Field(
        default=20, ge=0, description="the newest releases, which are never removed; 0: no release is removed by itself"
    )
    keep_days: float = Field(default=30.0, ge=0, le=36_500, description="younger releases are never removed; days")

    @property
    def keep_for(self) -> timedelta:
        """`keep_days` as a time."""
        return timedelta(days=self.keep_days)


def read_policy() -> ReleasePolicy:
    """The policy of this process's environment.

    Raises:
        PolicyError: a variable has a wrong value; the message names it, its value and what is allowed.
    """
    try:
        return ReleasePolicy()
    except ValidationError as error:
        raise PolicyError(wrong_variable(error)) from error


def wrong_variable(error: ValidationError) -> str:
    """One line of the first variable that has a wrong value: its name, the value, and what is allowed."""
    first = error.errors()[0]
    name = ENVIRONMENT_PREFIX + str(first["loc"][0]).upper()
    return f"{name}={first['input']!s}: {first['msg']}"
