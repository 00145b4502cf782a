"""`manifold`: train, schedule, serve, ask, and look after releases and keys."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Annotated

import typer

from flows.ask_commands import classify, embed, generate
from flows.doctor import doctor
from flows.drift_command import drift
from flows.figure_lines import untrained_line
from flows.gate_lines import tell_of_release
from flows.keys_commands import keys
from flows.lineage_commands import card, find
from flows.local_server import set_environment
from flows.place_commands import interpolate, neighbors, score
from flows.release_commands import releases
from flows.report_command import report
from flows.serving import serving_command, serving_environment
from flows.steps.errors import FlowError
from flows.steps.parameters import retrain_parameters
from flows.steps.recipes import load_recipe, recipe_names
from flows.terminal import console
from flows.upkeep_commands import prune, watch
from flows.watch_runs_command import Notify, use_notice_address, watch_runs
from models.errors import ModelError as LearningError
from models.recipe import Recipe
from service.client import ServiceError
from service.keys.address import OpenAddressError, refuse_open_address_early
from service.keys.key_file import KeyFileError
from service.release.errors import ReleaseError
from service.release.home import Home
from service.runtime import ModelError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Learn a low-dimensional manifold from your own unlabelled data, and serve it.",
)
app.add_typer(releases, name="releases")
releases.command("find")(find)
releases.command("card")(card)
releases.command("prune")(prune)
releases.command("watch")(watch)
app.add_typer(keys, name="keys")
app.command()(embed)
app.command()(classify)
app.command()(generate)
app.command()(score)
app.command()(neighbors)
app.command()(interpolate)
app.command()(drift)
app.command()(doctor)
app.command()(report)
app.command()(watch_runs)

_SOURCES = "auto, mnist, fashion-mnist, digits, or a path: folder of images, .npy, .npz, .parquet, .csv"
Source = Annotated[str, typer.Option(help=f"What to learn from: {_SOURCES}.")]
RecipeName = Annotated[str, typer.Option(help=f"{', '.join(recipe_names())}, or the path of a YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A recipe's field, such as corruption.level=0.25.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Drop bad rows and columns, and count them.")]
Label = Annotated[str | None, typer.Option(help="The column of a table that holds labels.")]
Promote = Annotated[bool, typer.Option(help="Make the new release the champion.")]
Gate = Annotated[
    bool,
    typer.Option(help="Promote only what passed the recipe's gate: better than the champion, and no worse anywhere."),
]
Comparisons = Annotated[
    bool,
    typer.Option("--comparisons", help="Also train what the report compares with, for the run's page; about a minute."),
]
OnlyIfChanged = Annotated[
    bool,
    typer.Option(
        "--only-if-changed/--even-if-unchanged",
        help="Do nothing where neither data nor recipe have changed since the last release of them.",
    ),
]
Check = Annotated[
    list[str] | None,
    typer.Option("--check", help="How far new data may be from the champion's, such as least_rows=0.9 or drift=0.2."),
]
AcceptMoved = Annotated[
    bool,
    typer.Option(
        "--accept-moved-data/--refuse-moved-data",
        help="Train also where new data is not like what the champion learned from; it is told in any case.",
    ),
]


@app.command()
def train(
    source: Source = "auto",
    recipe: RecipeName = "sdae",
    settings: Set = None,
    skip_bad: SkipBad = False,
    label_column: Label = None,
    promote: Promote = True,
    gate: Gate = False,
    comparisons: Comparisons = False,
    only_if_changed: OnlyIfChanged = False,
    check: Check = None,
    accept_moved_data: AcceptMoved = True,
) -> None:
    """Prepare data, train layer by layer, export, publish a release and make it the champion.

    Interrupted or killed, start it again: it goes on from where it was.

    Examples:

        manifold train

        manifold train --source photos/ --recipe sdae-convolutional --skip-bad

        manifold train --source rows.parquet --set layers=[64,8] --set pretraining.epochs=20
    """
    from flows.train_command import train_once

    home = Home.from_environment()
    chosen = load_recipe(recipe, settings or [])
    version = train_once(
        home,
        source,
        chosen,
        skip_bad=skip_bad,
        label_column=label_column,
        promote=promote,
        gate=gate,
        comparisons=comparisons,
        only_if_changed=only_if_changed,
        checks=check or [],
        accept_moved_data=accept_moved_data,
    )
    tell_of_release(home, version)
    _tell_if_untrained(chosen)


@app.command()
def schedule(
    cron: Annotated[str | None, typer.Option(help="When, as cron says it: '0 3 * * *' is daily at 3.")] = None,
    every: Annotated[float | None, typer.Option(help="Or: every so many seconds.", min=1)] = None,
    name: Annotated[str, typer.Option(help="The deployment's name on Prefect's page.")] = "retrain",
    port: Annotated[int, typer.Option(help="Of the Prefect server, where PREFECT_API_URL is not set.")] = 4200,
    source: Source = "auto",
    recipe: RecipeName = "sdae",
    settings: Set = None,
    skip_bad: SkipBad = False,
    label_column: Label = None,
    promote: Promote = True,
    gate: Gate = True,
    comparisons: Comparisons = False,
    only_if_changed: OnlyIfChanged = True,
    check: Check = None,
    accept_moved_data: AcceptMoved = False,
    notify: Notify = None,
) -> None:
    """Retrain again and again: Prefect's server, a worker and a schedule, kept alive until you stop it.

    Examples:

        manifold schedule --cron "0 3 * * *" --source photos/ --recipe sdae-convolutional

        manifold schedule --every 3600
    """
    from flows.supervision.keeping import keep_schedule
    from flows.train_command import demand_what_it_learns_from

    if (cron is None) == (every is None):
        raise typer.BadParameter("give one of --cron and --every")
    home = Home.from_environment()
    chosen = load_recipe(recipe, settings or [])
    _tell_if_untrained(chosen)
    set_environment(home.root)
    use_notice_address(notify)
    demand_what_it_learns_from(source, chosen, label_column)
    from flows.steps.checks import load_checks

    limits = load_checks(check or [], accept=accept_moved_data)
    parameters = retrain_parameters(
        home,
        source,
        chosen,
        skip_bad=skip_bad,
        label_column=label_column,
        promote=promote,
        gate=gate,
        comparisons=comparisons,
        only_if_changed=only_if_changed,
        checks=limits,
    )
    interval = None if every is None else timedelta(seconds=every)
    keep_schedule(home, name, parameters, cron=cron, interval=interval, port=port)


def _tell_if_untrained(recipe: Recipe) -> None:
    if untrained := untrained_line(recipe.model_dump()):
        console.print(f"beware of such a release: {untrained}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
) -> None:
    """Serve the champion over HTTP; the same as `bentoml serve` in the repository's root.

    Example:

        manifold serve --port 3000
    """
    refuse_open_address_early(host)
    environment = serving_environment(Home.from_environment())
    os.execve(sys.executable, serving_command(host, port), environment)  # noqa: S606 - our own interpreter


@app.command()
def demo(
    source: Source = "auto",
    keep_serving: Annotated[bool, typer.Option("--serve", help="Leave the service up at the end.")] = False,
    port: Annotated[int, typer.Option(help="The port to serve on.")] = 3000,
) -> None:
    """The whole path in one command: real data, training, release, service, answers over HTTP."""
    from flows.demo import run_demo

    run_demo(Home.from_environment(), source, keep_serving=keep_serving, port=port)


def main() -> None:
    """The entry point: a user's error is one plain line on stderr and a status of 1, never a traceback."""
    try:
        app()
    except (FlowError, ReleaseError, LearningError, ServiceError, ModelError, KeyFileError, OpenAddressError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; what is finished is kept: start the same command again to go on\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
