"""The command line with wrong input: one plain line, a status that is not 0, and nothing lost."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.command_line import app
from flows.steps.datasets import Dataset, open_dataset
from flows.steps.recipes import load_recipe
from service.release.channels import Channels
from service.release.home import Home
from service.release.manifest import Curve, Metric
from service.release.store import ReleaseStore
from tests.conftest import SMALL, Manifold, environment
from tests.service.tiny import publish_tiny


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """What a refused command said, which is no traceback."""
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    return result.stderr


@pytest.fixture
def copied_home(trained_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_home, tmp_path / "home"))


def only_dataset(home: Path) -> Dataset:
    (folder,) = (path for path in (home / "datasets").iterdir() if path.is_dir())
    return open_dataset(folder)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("corruption.levle=0.5", ["corruption.levle", "level"]),
        ("corruption.level=1.5", ["corruption.level", "1.5", "below 1"]),
        ("pretraining.epochs=ten", ["pretraining.epochs", "ten", "integer"]),
        ("seed", ["seed", "="]),
    ],
)
def test_a_wrong_setting_names_the_field_what_came_and_what_is_allowed(
    manifold_here: Manifold, tmp_path: Path, setting: str, named: list[str]
) -> None:
    said = refusal(manifold_here("train", "--source", "digits", "--set", setting, home=tmp_path / "home"))
    assert all(part in said for part in named), said
    assert not (tmp_path / "home" / "datasets").exists()


def test_an_unknown_recipe_names_those_there_are(manifold_here: Manifold, tmp_path: Path) -> None:
    said = refusal(manifold_here("train", "--recipe", "vae", home=tmp_path / "home"))
    assert "'vae' came" in said
    assert "sdae" in said


def test_a_setting_changes_what_is_trained(manifold: Manifold, trained_home: Path) -> None:
    shown = manifold("releases", "show", "champion", "--json", home=trained_home)
    assert '"width": 32' in shown.stdout


def test_a_releases_figures_are_shown_with_their_intervals_and_curves(manifold: Manifold, trained_home: Path) -> None:
    shown = manifold("releases", "show", "champion", home=trained_home).stdout
    manifest = ReleaseStore(Home(trained_home)).manifest(Channels(Home(trained_home)).read().champion or "")
    assert manifest.curves
    (error,) = (metric for metric in manifest.metrics if metric.name == "squared_error")
    assert error.interval is not None
    assert f"{error.value:.4g} [{error.interval[0]:.4g}, {error.interval[1]:.4g}]" in shown
    # The table breaks lines where it likes.
    unbroken = "".join(shown.split())
    figures: list[Metric | Curve] = [*manifest.metrics, *manifest.curves]
    for figure in figures:
        assert figure.method
        assert figure.name in shown
        assert "".join(figure.method.split()) in unbroken, figure.name
    for curve in manifest.curves:
        assert curve.low is not None
        assert curve.high is not None
        for point in (0, -1):
            ends = f"{curve.values[point]:.3g}[{curve.low[point]:.3g},{curve.high[point]:.3g}]at{curve.at[point]:.3g}"
            assert ends in unbroken


def test_a_source_that_is_not_there_is_named(manifold: Manifold, tmp_path: Path) -> None:
    said = refusal(manifold("train", "--source", "no/such/folder", home=tmp_path / "home"))
    assert "no/such/folder" in said


@pytest.mark.parametrize("command", [("train",), ("schedule", "--every", "3600")])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--source", "no/such/folder"), "no/such/folder"),
        (("--source", "digits", "--label-column", "kind"), "label_column: 'kind'"),
        (("--source", "rows.npy", "--set", "supervised_fine_tuning.epochs=1"), "expected labels"),
    ],
)
def test_a_source_that_cannot_be_learned_from_is_refused_before_a_server_starts(
    manifold_here: Manifold, tmp_path: Path, command: tuple[str, ...], arguments: tuple[str, ...], named: str
) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((20, 4), np.float32))
    assert named in refusal(manifold_here(*command, *arguments, home=tmp_path / "home"))
    # The server's database and log would be in it.
    assert list((tmp_path / "home" / "prefect").iterdir()) == []


def test_bad_rows_are_reported_together_before_training(manifold: Manifold, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((200, 4)).astype(np.float32)
    rows[3, 1], rows[5, 2], rows[:, 3] = np.nan, np.inf, 7.0
    np.save(tmp_path / "rows.npy", rows)
    said = refusal(manifold("train", "--source", str(tmp_path / "rows.npy"), home=tmp_path / "home"))
    assert all(word in said for word in ("NaN", "infinite", "constant", "--skip-bad")), said
    assert not (tmp_path / "home" / "training").exists()
    dropped = manifold("train", "--source", str(tmp_path / "rows.npy"), "--skip-bad", *SMALL, home=tmp_path / "home")
    assert dropped.returncode == 0, dropped.stderr
    manifest = ReleaseStore(Home(tmp_path / "home")).manifest(Channels(Home(tmp_path / "home")).read().champion or "")
    assert manifest.input.shape == (3,)
    assert sum(manifest.data.dropped.values()) == 3


def test_a_truncated_dataset_is_prepared_again(manifold: Manifold, photos: Path, copied_home: Path) -> None:
    truncated = only_dataset(copied_home).folder / "train.npy"
    whole = truncated.read_bytes()
    truncated.write_bytes(whole[:-1000])
    result = manifold("train", "--source", str(photos), *SMALL, "--no-promote", home=copied_home)
    assert result.returncode == 0, result.stderr
    assert truncated.read_bytes() == whole


def test_a_truncated_source_is_named_and_the_champion_stays(manifold: Manifold, copied_home: Path) -> None:
    source = copied_home.parent / "rows.npy"
    np.save(source, np.ones((500, 4), np.float32))
    source.write_bytes(source.read_bytes()[:-100])
    before = Channels(Home(copied_home)).read()
    assert "rows.npy" in refusal(manifold("train", "--source", str(source), home=copied_home))
    assert Channels(Home(copied_home)).read() == before


def test_without_space_nothing_is_published_and_the_champion_stays(
    trained_home: Path, copied_home: Path, photos: Path, prefect_api: str
) -> None:
    """Files cannot grow beyond 20 kB, as on a disk that is full: the reference sample is larger."""
    before, versions = Channels(Home(copied_home)).read(), ReleaseStore(Home(copied_home)).versions()

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    result = subprocess.run(
        [Path(sys.executable).with_name("manifold"), "train", "--source", str(photos), *SMALL],
        env=environment(copied_home, prefect_api),
        preexec_fn=fill_the_disk,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "not published" in refusal(result)
    assert ReleaseStore(Home(copied_home)).versions() == versions
    assert list(Home(copied_home).staging.iterdir()) == []
    assert Channels(Home(copied_home)).read() == before


def test_a_flipped_byte_keeps_a_release_from_promotion(manifold: Manifold, copied_home: Path) -> None:
    (version,) = ReleaseStore(Home(copied_home)).versions()
    encoder = ReleaseStore(Home(copied_home)).folder(version) / "encoder.onnx"
    content = bytearray(encoder.read_bytes())
    content[len(content) // 2] ^= 1
    encoder.write_bytes(bytes(content))
    assert "encoder.onnx has sha256" in refusal(manifold("releases", "promote", version, home=copied_home))
    doctor = manifold("doctor", home=copied_home)
    assert doctor.returncode == 1
    assert "encoder.onnx" in doctor.stdout


def test_an_unknown_release_names_those_there_are(manifold_here: Manifold, trained_home: Path) -> None:
    (version,) = ReleaseStore(Home(trained_home)).versions()
    assert version in refusal(manifold_here("releases", "promote", "20200101", home=trained_home))


def test_a_rollback_needs_a_previous_champion(manifold_here: Manifold, trained_home: Path) -> None:
    assert "no previous champion" in refusal(manifold_here("releases", "rollback", home=trained_home))


_FROM_INITIAL_WEIGHTS = ("pretraining.epochs=0", "fine_tuning.epochs=0", "supervised_fine_tuning.epochs=1")


def test_it_is_said_of_a_release_that_its_encoder_and_decoder_were_never_trained(
    manifold_here: Manifold, tmp_path: Path
) -> None:
    untrained = load_recipe("sdae", _FROM_INITIAL_WEIGHTS).model_dump(mode="json")
    for version, described in (("trained", load_recipe("sdae").model_dump(mode="json")), ("untrained", untrained)):
        publish_tiny(Home(tmp_path), version, recipe=described)
    # The table breaks lines where it likes.
    shown = {
        version: " ".join(manifold_here("releases", "show", version, home=tmp_path).stdout.split())
        for version in ("trained", "untrained")
    }
    assert "encoder and decoder were never trained" in shown["untrained"]
    assert "never trained" not in shown["trained"]


@pytest.mark.parametrize(("settings", "told"), [(_FROM_INITIAL_WEIGHTS, True), (_FROM_INITIAL_WEIGHTS[2:], False)])
def test_a_schedule_of_such_releases_says_so_before_it_starts(
    manifold_here: Manifold, tmp_path: Path, settings: tuple[str, ...], told: bool
) -> None:
    chosen = [part for setting in settings for part in ("--set", setting)]
    result = manifold_here("schedule", "--every", "9", "--source", "no/such", *chosen, home=tmp_path / "home")
    assert result.returncode == 1
    assert ("encoder and decoder were never trained" in result.stdout) is told


def test_no_releases_yet_names_the_command_that_makes_one(manifold_here: Manifold, tmp_path: Path) -> None:
    assert "manifold train" in manifold_here("releases", "list", home=tmp_path / "home").stdout


def test_a_report_before_any_release_names_the_command_that_makes_one(manifold_here: Manifold, tmp_path: Path) -> None:
    assert "none yet; `manifold train` makes one" in refusal(manifold_here("report", home=tmp_path / "home"))


def test_a_service_that_is_not_there_is_named(manifold_here: Manifold, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((1, 4), np.float32))
    url = "http://127.0.0.1:1"
    assert url in refusal(manifold_here("embed", str(tmp_path / "rows.npy"), "--url", url, home=tmp_path / "home"))


@pytest.mark.parametrize("content", [b"not rows", b""])
def test_a_file_without_rows_is_named(manifold_here: Manifold, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.npy").write_bytes(content)
    assert "rows.npy" in refusal(manifold_here("embed", str(tmp_path / "rows.npy"), home=tmp_path / "home"))


def test_a_file_of_objects_is_refused(manifold_here: Manifold, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "numbers" in refusal(manifold_here("embed", str(tmp_path / "rows.npy"), home=tmp_path / "home"))


@pytest.mark.parametrize("arguments", [(), ("--cron", "0 3 * * *", "--every", "60")])
def test_a_schedule_needs_one_of_cron_and_every(
    manifold_here: Manifold, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert "one of --cron and --every" in refusal(manifold_here("schedule", *arguments, home=tmp_path / "home"))


def test_a_wrong_cron_is_named_with_an_example(manifold: Manifold, tmp_path: Path) -> None:
    said = refusal(manifold("schedule", "--cron", "every night", home=tmp_path / "home"))
    assert "'every night' came" in said
    assert "0 3 * * *" in said


def test_the_doctor_says_what_is_installed_and_what_makes_a_champion(manifold: Manifold, tmp_path: Path) -> None:
    result = manifold("doctor", home=tmp_path / "home")
    assert result.returncode == 0, result.stdout
    assert all(word in result.stdout for word in ("torch", "onnxruntime", "device", "manifold train"))


def test_the_doctor_finds_the_champion_whole(manifold: Manifold, trained_home: Path) -> None:
    assert "every file as published" in manifold("doctor", home=trained_home).stdout


@pytest.mark.parametrize(
    "command", ["train", "schedule", "serve", "embed", "classify", "generate", "doctor", "releases", "demo", "report"]
)
def test_each_command_explains_itself(manifold_here: Manifold, tmp_path: Path, command: str) -> None:
    result = manifold_here(command, "--help", home=tmp_path / "home")
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_a_loss_that_diverges_is_one_plain_line_and_publishes_nothing(
    manifold: Manifold, photos: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    settings = ["activation=relu", "output_activation=linear", "pretraining.optimiser.name=sgd"]
    settings += ["pretraining.optimiser.learning_rate=10", "pretraining.batch_size=20"]
    chosen = [part for setting in settings for part in ("--set", setting)]
    result = manifold("train", "--source", str(photos), *SMALL, *chosen, home=home)
    assert result.returncode == 1
    assert re.search(r"error: layer 1: .* at step \d+ of \d+ in epoch \d+, with a learning rate of \d", result.stderr)
    assert "Traceback" not in result.stderr
    assert ReleaseStore(Home(home)).versions() == []


def test_generate_says_which_figures_it_prints_and_where_those_of_each_row_are() -> None:
    said = " ".join(CliRunner().invoke(app, ["generate", "--help"], env={"COLUMNS": "200"}).output.split())
    assert all(part in said for part in ("the medians", "/v1/sample", "a .png comes without any")), said
