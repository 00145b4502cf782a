"""What `make bench-serving` computes: figures of what wrk wrote, rows of rounds, and what is written of both."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.harness import publish
from benchmarks.pages import DOCS
from benchmarks.serving.__main__ import ROWS, left_out_rows
from benchmarks.serving.load import Load, LoadError, figures_of
from benchmarks.serving.rows import RATIOS, rows_of, trials_of
from benchmarks.serving.run import Measured
from benchmarks.serving.table import write_page
from benchmarks.serving.trials import LIMIT, Rounds, Trial, measure_trials

OURS = Trial("ours", "single json")
LITSERVE = Trial("LitServe", "single json")
TOLD = """Running 3s test @ http://127.0.0.1:3000/v1/embed
  1 threads and 64 connections
Requests/sec:   1000.00
FIGURES {"requests": 3010, "microseconds": 2000000, "p50_us": 1500.0, "p99_us": 9000.0, "refused": 10, "broken": 4}
"""


def rounds(*rates: float, failed: int = 0) -> Rounds:
    return Rounds(tuple(Load(rate, 2.0, 6.0, failed) for rate in rates))


def measured() -> Measured:
    trials = {OURS: rounds(900, 1000, 5000, failed=1), LITSERVE: rounds(50, 100, 110)}
    return Measured(trials, {"LitServe": "LitServe 0.2.19"}, {"Triton": "not ready"})


def test_only_good_answers_are_counted_and_all_that_failed_is() -> None:
    assert figures_of(TOLD) == Load(rate=1500.0, p50_ms=1.5, p99_ms=9.0, failed=14)


def test_a_generator_that_measured_nothing_is_an_error_with_its_complaint() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        figures_of("Running 3s test\n", "unable to connect to 127.0.0.1")


def test_a_ratio_is_of_medians_and_keeps_both_sides_with_their_failures() -> None:
    row = next(iter(rows_of(measured().trials, measured().names)))
    assert (row.name, row.value, row.goal, row.reached) == ("single_json_over_litserve", 10.0, 10, True)
    assert row.peer == "LitServe 0.2.19"
    assert row.sides["ours"] == {
        "median": 1000, "spread": 2050, "rounds": 3, "p50_ms": 2.0, "p99_ms": 6.0, "failed": 3
    }  # fmt: skip
    assert row.sides["LitServe 0.2.19"]["failed"] == 0


def test_rows_whose_sides_are_not_there_are_left_out() -> None:
    assert [row.name for row in rows_of(measured().trials, {})] == ["single_json_over_litserve", "p99_over_p50"]
    assert list(rows_of({LITSERVE: rounds(1)}, {})) == []


def test_the_tail_is_the_median_of_each_rounds_own() -> None:
    loads = [Load(1, 2.0, 4.0, 0), Load(1, 1.0, 9.0, 0), Load(1, 4.0, 12.0, 0)]
    (row,) = rows_of({OURS: Rounds(tuple(loads))}, {})
    assert (row.name, row.value, row.reached) == ("p99_over_p50", 3.0, False)


def test_added_milliseconds_are_ours_less_the_runtimes_own() -> None:
    trials = dict(zip(trials_of("added_ms"), [(2.0,), (1.5,), (0.25,)], strict=True))
    found = {trial: Rounds(tuple(Load(1, p50, 9, 0) for p50 in values)) for trial, values in trials.items()}
    (row,) = rows_of(found, {})
    assert (row.name, row.value) == ("added_ms", 1.75)
    assert row.sides[LIMIT]["median"] == 0.25


def test_every_trial_is_measured_once_a_round_and_the_first_to_go_changes() -> None:
    order: list[str] = []

    def measure(trial: Trial) -> Load:
        order.append(trial.side)
        return Load(len(order), 1, 1, 0)

    found = measure_trials({trial: functools.partial(measure, trial) for trial in (OURS, LITSERVE)}, rounds=2)
    assert order == ["ours", "LitServe", "LitServe", "ours"]
    assert found[OURS].rate.values == (1, 4)
    assert found[LITSERVE].rate.values == (2, 3)


def test_all_rows_of_the_plan_are_there() -> None:
    plan = """single_json_over_litserve single_json_over_mlserver single_json_over_fastapi
        single_json_over_fastapi_batched single_binary_over_limit batch64_binary_over_limit batch64_json_over_fastapi
        p99_over_p50 ready_s pss_mb swap_failed swap_growth added_ms generate64_over_limit"""
    assert set(plan.split()) <= set(ROWS)


def test_the_file_has_the_rows_and_says_why_others_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    publish("serving", list(rows_of(measured().trials, measured().names)), left_out_rows(measured()))
    *figures, missing = json.loads((tmp_path / "serving.json").read_text())
    assert [row["name"] for row in figures] == ["single_json_over_litserve", "p99_over_p50"]
    assert figures[0]["sides"]["ours"]["failed"] == 3
    assert (missing["name"], missing["left_out"]) == ("single_json_over_triton", "not ready")
    assert RATIOS[missing["name"]].peer == "Triton"
    assert {"when", "commit"} <= missing.keys()


def test_the_page_has_rows_every_sides_own_figures_and_the_machine(tmp_path: Path) -> None:
    page = tmp_path / "serving-speed.md"
    page.write_bytes((DOCS / "serving-speed.md").read_bytes())
    write_page(list(rows_of(measured().trials, measured().names)), measured(), "2026-01-01", page)
    told = page.read_text("utf-8")
    sides = "ours: 1000 (2e+03, 3), 3 failed; LitServe 0.2.19: 100 (30, 3), 0 failed"
    assert f"| `single_json_over_litserve` | 10 ratio | ≥ 10 | {sides} | LitServe 0.2.19 |" in told
    assert "| LitServe 0.2.19 | single json | 100 (30) | 2 | 6 | 0 |" in told
    assert "Left out: Triton: not ready" in told
    assert "cores" in told
