"""`manifold embed`, `manifold classify` and `manifold generate`: ask a running service."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flows.steps.row_files import read_rows
from flows.terminal import console
from service.client import ManifoldClient
from service.release.atomic import write_atomically

# Not an option: other users of the machine see a command line, and a shell keeps it.
API_KEY_VARIABLE = "MANIFOLD_API_KEY"

Url = Annotated[str, typer.Option(envvar="MANIFOLD_URL", help="Where the service listens.")]


def embed(
    files: Annotated[list[Path], typer.Argument(help="One .npy of rows, or image files.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the codes to this .npy.")] = None,
    depth: Annotated[int | None, typer.Option(help="The code of this greedy layer, counted from 1.")] = None,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for the codes of rows.

    Examples:

        manifold embed rows.npy -o codes.npy

        manifold embed photos/cat.png photos/dog.png
    """
    answer = client_of(url).embed(read_rows(files), depth=depth)
    if output is not None:
        write_npy(output, answer.codes)
        console.print(f"{answer.codes.shape[0]} codes of {answer.codes.shape[1]} in {output}")
    else:
        for code in answer.codes:
            console.print(" ".join(f"{value:.4f}" for value in code), soft_wrap=True)
    console.print(f"space {answer.space}, release {answer.release}")


def classify(
    files: Annotated[list[Path], typer.Argument(help="One .npy of rows, or image files.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the probabilities to this .npy.")] = None,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for the labels of rows, where its release has a classifier.

    Examples:

        manifold classify photos/cat.png photos/dog.png

        manifold classify rows.npy -o probabilities.npy
    """
    with client_of(url) as client:
        answer = client.classify(read_rows(files))
    if output is not None:
        write_npy(output, answer.probabilities)
        console.print(f"{len(answer.labels)} rows of {len(answer.label_names)} probabilities in {output}", markup=False)
        console.print(f"in this order: {', '.join(map(printable, answer.label_names))}", markup=False)
    else:
        for label, p in zip(answer.labels, answer.probabilities, strict=True):
            console.print(f"{printable(label)} {p.max():.4f}", markup=False)
    console.print(f"space {answer.space}, release {answer.release}")


def generate(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png (images) or .npy (any rows).")],
    codes: Annotated[Path | None, typer.Option(help="Decode this .npy of codes, instead of new ones.")] = None,
    count: Annotated[int, typer.Option(help="How many new samples.", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.", min=0)] = 0,
    method: Annotated[
        str | None, typer.Option(help="density, walkback or jacobian_walk; the release's own choice where not given.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Of walkback or jacobian_walk.", min=1)] = None,
    temperature: Annotated[float | None, typer.Option(help="Of density: below 1 likelier, more alike.", min=0)] = None,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for new samples, or for those that given codes decode to.

    With new samples in a .npy come the method that drew them and the medians, over all of them, of what the service
    says of each: its round-trip error, its distance to the nearest training row, and the share of training codes that
    its own is denser than. Each row's own figures are in the JSON of `/v1/sample`; a .png comes without any.

    Examples:

        manifold generate --count 64 --seed 1 -o samples.png

        manifold generate --method walkback --steps 5 -o walked.png

        manifold generate --codes codes.npy -o rebuilt.npy
    """
    client = client_of(url)
    if codes is not None:
        if not (method is None and steps is None and temperature is None):
            raise typer.BadParameter("--method, --steps and --temperature are for new samples; leave out --codes")
        _write_decoded(client, read_rows([codes]), output)
        return
    if output.suffix == ".png":
        picture = client.sample_png(count, seed, method=method, steps=steps, temperature=temperature)
        write_atomically(output, picture)
        console.print(f"{count} samples in {output}; a picture comes without figures, a .npy with their medians")
        return
    samples = client.sample(count, seed, method=method, steps=steps, temperature=temperature)
    write_npy(output, samples.rows)
    console.print(f"{count} samples in {output}, by {samples.method}, {samples.steps} step(s); medians:")
    console.print(f"  round-trip error {np.median(samples.round_trip_error):.4g} (squared, scaled units)")
    if samples.nearest_distance is not None:
        distance = np.median(samples.nearest_distance)
        console.print(
            f"  distance to the nearest of {samples.reference_rows:,} training rows {distance:.4g} (scaled units)"
        )
    if samples.density_percentile is not None:
        percentile = np.median(samples.density_percentile)
        console.print(f"  denser than {percentile:.3g} % of the training codes")


def _write_decoded(client: ManifoldClient, codes: np.ndarray, output: Path) -> None:
    if output.suffix == ".png":
        write_atomically(output, client.generate_png(codes))
    else:
        write_npy(output, client.generate(codes))
    console.print(f"{len(codes)} samples in {output}")


def printable(label: str) -> str:
    """A label as it may be shown."""
    # Labels are names of folders or cells of a table: they must not be able to draw in somebody's terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in label)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def client_of(url: str) -> ManifoldClient:
    """A client of the service, which shows the key of `MANIFOLD_API_KEY` where there is one."""
    return ManifoldClient(url, api_key=os.environ.get(API_KEY_VARIABLE) or None)
