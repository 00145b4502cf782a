"""`manifold embed`, `manifold classify` and `manifold generate`: ask a running service."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flows.steps.row_files import read_rows
from flows.terminal import console
from service.client import ManifoldClient
from service.release.atomic import write_atomically

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
    answer = ManifoldClient(url).embed(read_rows(files), depth=depth)
    if output is not None:
        _write_npy(output, answer.codes)
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
    with ManifoldClient(url) as client:
        answer = client.classify(read_rows(files))
    if output is not None:
        _write_npy(output, answer.probabilities)
        console.print(f"{len(answer.labels)} rows of {len(answer.label_names)} probabilities in {output}", markup=False)
        console.print(f"in this order: {', '.join(map(_printable, answer.label_names))}", markup=False)
    else:
        for label, p in zip(answer.labels, answer.probabilities, strict=True):
            console.print(f"{_printable(label)} {p.max():.4f}", markup=False)
    console.print(f"space {answer.space}, release {answer.release}")


def generate(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png (images) or .npy (any rows).")],
    codes: Annotated[Path | None, typer.Option(help="Decode this .npy of codes, instead of new ones.")] = None,
    count: Annotated[int, typer.Option(help="How many new samples.", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.", min=0)] = 0,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for new samples, or for those that given codes decode to.

    Examples:

        manifold generate --count 64 --seed 1 -o samples.png

        manifold generate --codes codes.npy -o rebuilt.npy
    """
    client = ManifoldClient(url)
    given = None if codes is None else read_rows([codes])
    if output.suffix == ".png":
        picture = client.sample_png(count, seed) if given is None else client.generate_png(given)
        write_atomically(output, picture)
    else:
        _write_npy(output, client.sample(count, seed).rows if given is None else client.generate(given))
    console.print(f"{count if given is None else len(given)} samples in {output}")


def _printable(label: str) -> str:
    # Labels are names of folders or cells of a table: they must not be able to draw in somebody's terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in label)


def _write_npy(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
