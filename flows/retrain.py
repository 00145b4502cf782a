"""The whole way from a source to a champion, as one flow that reads as its steps."""

# No postponed annotations here: in the process of a scheduled run Prefect reads the parameters' types before this
# module is complete.
from pathlib import Path

from prefect import flow

from flows.look import check_new_rows, find_unchanged, nothing_done
from flows.pictures import attach_pictures
from flows.prepare import prepare
from flows.publish import export_onnx, promote_champion, publish_release
from flows.steps.checks import DataChecks
from flows.steps.datasets import PrepareSettings, demand_label_source, demand_labels
from flows.train import fine_tune_classifier, fine_tune_stack, pretrain_layer, scale_rows
from models.recipe import Recipe


@flow(name="retrain")
def retrain(
    recipe: Recipe,
    source: str = "auto",
    home: Path = Path(".manifold"),
    data_folder: Path = Path("data"),
    skip_bad: bool = False,
    label_column: str | None = None,
    promote: bool = True,
    gate: bool = False,
    comparisons: bool = False,
    only_if_changed: bool = False,
    checks: DataChecks = DataChecks(),  # noqa: B008 - frozen
) -> str:
    """Learn from a source, publish a release, and make it the champion.

    Args:
        recipe: what to train.
        source: `auto`, `mnist`, `fashion-mnist`, `digits`, or a path.
        home: `MANIFOLD_HOME`.
        data_folder: where public datasets lie or are downloaded to.
        skip_bad: drop bad rows and columns, and count them, instead of refusing.
        label_column: the column of a table that holds labels.
        promote: make the release the champion.
        gate: only where it passed the recipe's gate; else it is left as the candidate.
        comparisons: also train what `manifold report` compares with, and attach these pictures; about a minute.
        only_if_changed: do nothing where neither data nor recipe have changed since the last release of them.
        checks: how far new data may be from what the champion learned from.

    Returns:
        The version of the release; where nothing has changed, of that which is there.

    Raises:
        LabelsMissingError: the recipe learns from labels that the source does not have; nothing of it was read where
            names tell.
        MovedDataError: new data is not like what the champion learned from; nothing was trained.
    """
    # The split has a seed of its own: another training seed is judged on the same rows.
    settings = PrepareSettings(skip_bad=skip_bad, label_column=label_column)
    supervised = recipe.supervised_fine_tuning.epochs > 0
    if supervised:
        demand_label_source(source, label_column)
    if only_if_changed:
        same = find_unchanged(source, recipe, home=home, data_folder=data_folder, settings=settings, promote=promote)
        if same is not None:
            return nothing_done(same)
    dataset = prepare(source, home=home, data_folder=data_folder, settings=settings)
    if supervised:
        demand_labels(dataset)
    check_new_rows(dataset, home, checks)
    rows = scale_rows(dataset, recipe, home)
    layers: list[Path] = []
    for number in range(1, len(recipe.layers) + 1):
        below = layers[-1] if layers else rows
        layers.append(pretrain_layer(dataset, recipe, number, below, home))
    stack = fine_tune_stack(dataset, recipe, rows, layers, home)
    classifier = fine_tune_classifier(dataset, recipe, rows, layers, home) if supervised else None
    exported = export_onnx(dataset, recipe, stack, home, classifier)
    version = publish_release(dataset, recipe, exported, home)
    if promote:
        promote_champion(version, home, gate)
    attach_pictures(version, home, compare=comparisons)
    return version
