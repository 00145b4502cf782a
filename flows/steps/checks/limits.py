"""How far new data may be from what the champion learned from.

A flow's parameter and not a part of the recipe: it is a rule about a source, the same recipe learns from many, and
another limit must not look like another recipe to a retraining that asks whether anything has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.steps.errors import SettingError
from models.errors import RecipeError
from models.recipe import apply_settings
from models.recipe_errors import explain


class DataChecks(BaseModel):
    """The limits. A share stops a retraining only where it is beyond its limit and surely so."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    accept: bool = Field(
        default=False, description="train all the same where a check does not hold; the report is kept"
    )
    least_rows: float = Field(
        default=0.5, ge=0, le=1, description="rows of the source, as a share of those that the champion had"
    )
    new_labels: int = Field(default=0, ge=0, description="how many label names may be new")
    vanished_labels: int = Field(default=0, ge=0, description="how many label names may have gone")
    dropped: float = Field(
        default=0.05, ge=0, le=1, description="share of the new rows that had to be dropped, beyond the champion's own"
    )
    copies: float = Field(
        default=0.25, ge=0, le=1, description="share of the added rows that repeat others, beyond what is expected"
    )
    outside: float = Field(
        default=0.01, ge=0, le=1, description="share of values outside the recorded range, beyond what is expected"
    )
    drift: float = Field(
        default=0.1, ge=0, le=1, description="share of the new rows that the champion finds unusual, beyond unusual_p"
    )
    unusual_p: float = Field(default=0.05, gt=0, lt=0.5, description="a row is unusual where its p is this or less")
    false_alarm_rate: float = Field(
        default=0.001,
        gt=0,
        le=0.1,
        description="how often at most a retraining is stopped by chance, where nothing has moved",
    )


def load_checks(settings: Sequence[str], *, accept: bool) -> DataChecks:
    """The limits with settings from the command line, each `name=value`.

    Raises:
        SettingError: there is no such limit, or it cannot be that; the message names it, what came, what is allowed.
    """
    try:
        return DataChecks.model_validate(apply_settings({"accept": accept}, settings))
    except ValidationError as error:
        raise SettingError(f"check: {explain(error, DataChecks)}") from error
    except RecipeError as error:
        raise SettingError(f"check: {error}") from error
