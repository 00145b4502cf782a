"""Digits, small recipes, and the shipped ones."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import pytest
import yaml
from jaxtyping import Float32
from sklearn.datasets import load_digits

Digits = Float32[np.ndarray, "1797 8 8"]


@pytest.fixture(scope="session")
def digits() -> Digits:
    """scikit-learn's handwritten digits, values from 0 to 16."""
    return np.asarray(load_digits().images, dtype=np.float32)


@pytest.fixture
def recipe_mapping() -> Callable[..., dict[str, Any]]:
    """A small valid recipe as read from YAML, with fields put over it."""

    def mapping(**fields: Any) -> dict[str, Any]:
        return {"name": "small", "kind": "ae", "layers": [6, 3], "pretraining": {"epochs": 2}, **fields}

    return mapping


def recipe_names() -> list[str]:
    """The recipes that come with Manifold."""
    return sorted(entry.name for entry in (resources.files("models") / "recipes").iterdir())


@pytest.fixture(params=recipe_names())
def shipped_recipe(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each shipped recipe in turn."""
    text = (resources.files("models") / "recipes" / request.param).read_text("utf-8")
    mapping: dict[str, Any] = yaml.safe_load(text)
    return mapping
