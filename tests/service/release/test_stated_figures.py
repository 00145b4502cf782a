"""What a manifest says of its figures, and what it refuses to say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.release.manifest import MANIFEST_DIGEST_FILE, MANIFEST_FILE, Curve, Metric, read_manifest

from .conftest import manifest_of

_METRIC: dict[str, Any] = {
    "name": "accuracy",
    "value": 0.9,
    "unit": "share of rows",
    "split": "test",
    "rows": 100,
    "better": "higher",
}
_CURVE: dict[str, Any] = {
    "name": "spectrum",
    "at_name": "rank",
    "at": [1, 2],
    "values": [3, 1],
    "unit": "u",
    "split": "test",
    "rows": 5,
}


def test_a_manifest_from_before_intervals_curves_and_contraction_forms_is_still_read(tmp_path: Path) -> None:
    described = json.loads(manifest_of("1").to_bytes())
    del described["curves"], described["contraction_forms"]
    described["metrics"] = [_METRIC]
    content = json.dumps(described).encode()
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    (tmp_path / MANIFEST_DIGEST_FILE).write_text(hashlib.sha256(content).hexdigest())
    manifest = read_manifest(tmp_path)
    assert (manifest.metrics[0].value, manifest.metrics[0].interval, manifest.curves) == (0.9, None, ())
    assert manifest.contraction_forms is None


def test_figures_with_intervals_come_back_as_they_were_written() -> None:
    metric = Metric(**_METRIC, interval=(0.8, 0.95), confidence=0.95, method="Wilson")
    curve = Curve(**_CURVE, low=(2, 0.5), high=(4, 1.5), confidence=0.95)
    manifest = manifest_of("1").model_copy(update={"metrics": (metric,), "curves": (curve,)})
    assert type(manifest).model_validate_json(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"interval": (0.8, 0.95)}, "come together"),
        ({"confidence": 0.95}, "come together"),
        ({"interval": (0.95, 0.8), "confidence": 0.95}, "from low to high"),
        ({"interval": (0.8, 0.95), "confidence": 95}, "less than 1"),
    ],
)
def test_half_an_interval_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Metric(**_METRIC, **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"values": [3]}, "as many values"),
        ({"low": [2, 0.5], "high": [4], "confidence": 0.95}, "as many values"),
        ({"low": [2, 0.5]}, "come together"),
    ],
)
def test_a_curve_with_points_left_over_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Curve(**(_CURVE | given))
