"""`manifold embed` and `manifold generate`: ask a running service."""

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


def _write_npy(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
