"""`manifold score`, `manifold neighbors` and `manifold interpolate`: ask a running service where rows lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flows.ask_commands import Url, client_of, printable, write_npy
from flows.steps.row_files import read_rows
from flows.terminal import console
from service.release.atomic import write_atomically

Codes = Annotated[Path | None, typer.Option(help="A .npy of codes, instead of rows.")]
Files = Annotated[list[Path], typer.Argument(help="One .npy of rows, or image files.")]
MaybeFiles = Annotated[list[Path] | None, typer.Argument(help="One .npy of rows, or image files.")]


def score(
    files: Files,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the four columns to this .npy.")] = None,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service how unusual rows are: reconstruction error, latent distance, and how rare either is.

    p is the share of rows that were not learned from which are rebuilt as badly, or lie as far. A row is unusual if
    either is small: an autoencoder can rebuild far-off rows perfectly.

    Examples:

        manifold score photos/cat.png photos/dog.png

        manifold score rows.npy -o scores.npy
    """
    with client_of(url) as client:
        answer = client.score(read_rows(files))
    columns = (answer.reconstruction_error, answer.reconstruction_p, answer.latent_distance, answer.latent_p)
    if output is not None:
        write_npy(output, np.stack(columns, axis=1))
        console.print(f"{len(columns[0])} rows in {output}: reconstruction error, its p, latent distance, its p")
    else:
        for error, error_p, distance, distance_p in zip(*columns, strict=True):
            first = f"reconstruction error {error:.4g} (p {error_p:.2g})"
            console.print(f"{first}, latent distance {distance:.4g} (p {distance_p:.2g})")
    console.print(f"space {answer.space}, release {answer.release}")


def neighbors(
    files: MaybeFiles = None,
    codes: Codes = None,
    k: Annotated[int | None, typer.Option("-k", help="How many of each.", min=1)] = None,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for the reference rows that are nearest in the code: number, distance and label of each.

    Examples:

        manifold neighbors photos/cat.png -k 3

        manifold neighbors --codes codes.npy
    """
    field, given = _given(files, codes)
    with client_of(url) as client:
        answer = client.neighbors(given, k=k) if field == "rows" else client.neighbors(codes=given, k=k)
    labels = answer.labels or [[None] * answer.ids.shape[1]] * len(answer.ids)
    for row in zip(answer.ids, answer.distances, labels, strict=True):
        said = (
            f"{number} {distance:.4f}" + ("" if label is None else f" {printable(label)}")
            for number, distance, label in zip(*row, strict=True)
        )
        console.print("; ".join(said), markup=False, soft_wrap=True)
    console.print(f"space {answer.space}, release {answer.release}")


def interpolate(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png (images) or .npy (any rows).")],
    files: MaybeFiles = None,
    codes: Codes = None,
    steps: Annotated[int, typer.Option(help="Points of the path, the ends among them.", min=2)] = 8,
    url: Url = "http://127.0.0.1:3000",
) -> None:
    """Ask the service for the way between two rows, or two codes: straight in the code, decoded.

    Examples:

        manifold interpolate photos/cat.png photos/dog.png -o way.png

        manifold interpolate --codes two-codes.npy --steps 20 -o way.npy
    """
    field, given = _given(files, codes)
    rows, ends = (given, None) if field == "rows" else (None, given)
    with client_of(url) as client:
        if output.suffix == ".png":
            write_atomically(output, client.interpolate_png(rows, codes=ends, steps=steps))
        else:
            write_npy(output, client.interpolate(rows, codes=ends, steps=steps).rows)
    console.print(f"{steps} rows in {output}")


def _given(files: list[Path] | None, codes: Path | None) -> tuple[str, np.ndarray]:
    if bool(files) == (codes is not None):
        raise typer.BadParameter("give rows, or --codes, and not both")
    return ("codes", read_rows([codes])) if codes is not None else ("rows", read_rows(files or []))
