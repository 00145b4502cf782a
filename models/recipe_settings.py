"""Dotted settings over a recipe's mapping: `corruption.level=0.25`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from models.errors import RecipeError
from models.recipe_parts import expand_layer

_PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def apply_settings(mapping: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of the mapping with settings put in, in order; it is not validated yet.

    Args:
        mapping: a recipe as read from YAML.
        settings: each `path=value`; a path is dotted, with an index for a list's entry (an integer among the layers
            takes fields as the dense layer that it is short for); a value is YAML, such as `0.25`, `true`, `masking`
            or `[500, 30]`.

    Raises:
        RecipeError: a setting is malformed or its path leads through a plain value; the message names it.
    """
    result: dict[str, Any] = copy.deepcopy(dict(mapping))
    for setting in settings:
        path, value = _parse(setting)
        _put(result, path, value, setting)
    return result


def _parse(setting: str) -> tuple[list[str], Any]:
    path, equals, text = setting.partition("=")
    path = path.strip()
    if not equals or not _PATH.fullmatch(path):
        raise RecipeError(f"setting: {setting!r} came; allowed: field=value, such as corruption.level=0.25")
    try:
        return path.split("."), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"setting: {setting!r} came; allowed: a value in YAML after the = ({error})") from error


def _put(target: Any, path: Sequence[str], value: Any, setting: str) -> None:
    for step, key in enumerate(path):
        place = ".".join(path[: step + 1])
        last = step == len(path) - 1
        if isinstance(target, dict):
            if last:
                target[key] = value
            else:
                target = target.setdefault(key, {})
        elif isinstance(target, list):
            if not key.isdecimal() or int(key) >= len(target):
                raise RecipeError(f"setting: {setting!r} came; allowed at {place}: an index below {len(target)}")
            if last:
                target[int(key)] = value
            else:
                # A layer's own field where its width alone stood: a recipe's only list is that of its layers.
                target[int(key)] = expand_layer(target[int(key)])
                target = target[int(key)]
        else:
            raise RecipeError(f"setting: {setting!r} came; {place} is no field: {target!r} stands above it")
