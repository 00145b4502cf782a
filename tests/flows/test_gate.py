"""The gate on real releases: what is worse stays a candidate, what is better goes live, and the manifest tells why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.steps.gate.rules import decide, weighed
from models.measures.paired import Gain
from models.recipe import Gate
from service.release.channels import Channels
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from service.release.verdict import Comparison
from tests.conftest import SMALL, Manifold

QUALITY = {
    "squared_error",
    "neighbour_accuracy",
    "neighbour_agreement",
    "calibration_of_reconstruction_p",
    "calibration_of_latent_p",
}
COST = {"latency_of_a_row", "latency_of_64_rows", "size"}


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_home, tmp_path / "home"))


def newest(home: Path) -> Manifest:
    store = ReleaseStore(Home(home))
    return max((store.manifest(version) for version in store.versions()), key=lambda manifest: manifest.version)


def test_a_better_release_goes_live_and_a_worse_one_stays_a_candidate(
    manifold: Manifold, home: Path, photos: Path
) -> None:
    channels = Channels(Home(home))
    before = channels.read().champion
    longer = ("--set", "pretraining.epochs=40", "--set", "fine_tuning.epochs=40")
    better = manifold("train", "--source", str(photos), *SMALL, *longer, "--gate", home=home)
    assert better.returncode == 0, better.stdout + better.stderr
    champion = newest(home)
    assert champion.gate is not None
    assert champion.gate.passed, champion.gate.reasons
    assert champion.gate.champion == before
    assert {comparison.name for comparison in champion.gate.comparisons} == QUALITY | COST
    assert (channels.read().champion, channels.read().previous) == (champion.version, before)
    assert "gate passed: squared_error better" in channels.journal()[-1].why

    worse = manifold("train", "--source", str(photos), *SMALL, "--set", "layers=[32,4]", "--gate", home=home)
    assert worse.returncode == 0, worse.stdout + worse.stderr
    candidate = newest(home)
    assert (channels.read().champion, channels.read().candidate) == (champion.version, candidate.version)
    assert candidate.gate is not None
    assert not candidate.gate.passed
    assert "gate: not passed: squared_error worse" in " ".join(worse.stdout.split())
    last = channels.journal()[-1]
    assert last.action == "propose"
    assert "did not pass the gate: squared_error worse" in last.verdict

    shown = manifold("releases", "show", "candidate", home=home)
    assert "not passed: squared_error worse" in " ".join(shown.stdout.split())
    stated = json.loads(manifold("releases", "show", "champion", "--json", home=home).stdout)
    assert stated["gate"]["passed"] is True


def test_the_first_release_has_nobody_to_be_compared_with(trained_home: Path) -> None:
    verdict = newest(trained_home).gate
    assert verdict is not None
    assert (verdict.passed, verdict.champion, verdict.comparisons) == (True, None, ())


def measure(gain: float, low: float, high: float, allowed: float = 0.01, name: str = "squared_error") -> Comparison:
    found = Gain(1.0, 1.0, gain, low, high, "drawn")
    return weighed(name, "units", "lower", found, 100, allowed, "drawn")


@pytest.mark.parametrize(
    ("gain", "low", "high", "outcome"),
    [
        (0.05, 0.01, 0.09, "better"),
        (0.05, -0.01, 0.09, "same"),
        (-0.05, -0.09, -0.01, "worse"),
        # Few rows: it may well be no loss at all.
        (-0.05, -0.20, 0.10, "same"),
        # A sure loss, and a small one.
        (-0.005, -0.008, -0.002, "same"),
        (0.0, 0.0, 0.0, "same"),
    ],
)
def test_a_measure_is_worse_only_where_it_loses_surely_and_more_than_is_allowed(
    gain: float, low: float, high: float, outcome: str
) -> None:
    assert measure(gain, low, high).outcome == outcome


def test_one_measure_that_is_worse_outweighs_any_that_are_better() -> None:
    better, worse = measure(0.5, 0.4, 0.6), measure(-0.05, -0.06, -0.04, name="neighbour_accuracy")
    verdict = decide("before", [better, worse], [], Gate(), "test split")
    assert not verdict.passed
    assert [reason.partition(" ")[0] for reason in verdict.reasons] == ["neighbour_accuracy"]


def test_cost_may_fail_a_release_and_never_counts_as_an_improvement() -> None:
    same, faster = measure(0.0, 0.0, 0.0), measure(0.5, 0.4, 0.6, name="size")
    assert not decide("before", [same], [faster], Gate(), "test split").passed
    assert decide("before", [same], [faster], Gate(improvements=0), "test split").passed
    slower = measure(-0.9, -1.0, -0.8, allowed=0.5, name="latency_of_a_row")
    assert not decide("before", [measure(0.5, 0.4, 0.6)], [slower], Gate(), "test split").passed


def test_what_is_not_better_does_not_pass_and_the_reason_counts() -> None:
    verdict = decide("before", [measure(0.0, 0.0, 0.0)], [], Gate(), "test split")
    assert not verdict.passed
    assert verdict.reasons == ("0 of 1 measures of quality better, 1 expected (squared_error)",)
