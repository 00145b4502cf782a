"""Export, publication and promotion as Prefect tasks. The work is in `flows.steps`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.figure_lines import curve_line, metric_value, untrained_line
from flows.gate_lines import verdict_markdown
from flows.progress import step_progress
from flows.steps.datasets import Dataset
from flows.steps.promotion import promote_retrained
from flows.steps.publishing import export_step, publish_step
from flows.steps.release_contents import Lineage
from flows.steps.training_state import prune_training
from models.recipe import Recipe
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.policy import read_policy
from service.release.pruning import prune_releases

_KEEP_UNUSED = timedelta(days=7)


@task(cache_policy=NO_CACHE)
def export_onnx(dataset: Dataset, recipe: Recipe, stack: Path, home: Path, classifier: Path | None = None) -> Path:
    """Encoder, decoder and, where there is one, classifier as ONNX, checked against torch."""
    with step_progress("export") as report:
        folder = export_step(dataset, recipe, stack, home, classifier)
        graphs = "encoder and decoder" if classifier is None else "encoder, decoder and classifier"
        report(1, 1, f"{graphs} agree with torch")
    return folder


@task(cache_policy=NO_CACHE)
def publish_release(dataset: Dataset, recipe: Recipe, exported: Path, home: Path) -> str:
    """Measure what was exported and publish it as a release; its version."""
    now = datetime.now(UTC)

    def lineage(space: str) -> Lineage:
        return Lineage(
            version=f"{now:%Y%m%d-%H%M%S}-{space[:8]}",
            created=now.isoformat(timespec="seconds"),
            parent=Channels(Home(home)).read().champion,
            flow_run=str(runtime.flow_run.id) if runtime.flow_run.id else None,
        )

    with step_progress("publish") as report:
        manifest = publish_step(dataset, recipe, exported, Home(home), lineage)
        report(1, 1, manifest.version)
    create_markdown_artifact(_summary(manifest), key="release", description=manifest.version)
    if manifest.gate is not None:
        create_markdown_artifact(
            verdict_markdown(manifest.version, manifest.gate), key="gate", description=manifest.version
        )
    for name in prune_training(home, now=now, unused_for=_KEEP_UNUSED):
        get_run_logger().info("removed training state that nobody used for %s: %s", _KEEP_UNUSED, name)
    _prune_releases(Home(home))
    return manifest.version


@task(cache_policy=NO_CACHE)
def promote_champion(version: str, home: Path, gate: bool) -> bool:
    """Make a release the champion, once its files and its golden batch have been checked; whether it is one.

    Args:
        version: what was published.
        home: `MANIFOLD_HOME`.
        gate: only where it passed the gate; else it is left as the candidate.
    """
    with step_progress("promote") as report:
        who = f"flow run {runtime.flow_run.name}"
        state, said = promote_retrained(Home(home), version, who=who, gate=gate)
        get_run_logger().info(said)
        report(1, 1, said)
    return state.champion == version


def _prune_releases(home: Home) -> None:
    """By the policy of the settings. The release is published: what goes wrong here is told, and fails nothing."""
    who = f"flow run {runtime.flow_run.name}"
    try:
        policy = read_policy()
        if policy.keep_releases == 0:
            return
        for version in prune_releases(home, keep=policy.keep_releases, older_than=policy.keep_for, who=who):
            get_run_logger().info("removed release %s, which nothing needs", version)
    except (ReleaseError, OSError) as error:
        get_run_logger().warning("old releases were not removed: %s", error)


def _summary(manifest: Manifest) -> str:
    lines = [
        f"# Release {manifest.version}",
        "",
        *([f"Beware: {untrained}.", ""] if (untrained := untrained_line(manifest.recipe)) else []),
        "| metric | value [95 % interval] | unit | split | rows | how |",
        "|---|---|---|---|---|---|",
        *(
            f"| {m.name} | {metric_value(m)} | {m.unit} | {m.split} | {m.rows} | {m.method or ''} |"
            for m in manifest.metrics
        ),
        "",
        *(f"- {curve.name} {curve_line(curve)}" for curve in manifest.curves),
        "",
        f"Space `{manifest.space_id}`, data `{manifest.data.fingerprint[:16]}`, parent {manifest.parent or 'none'}.",
    ]
    return "\n".join(lines)
