"""What a card says of a release, in sentences, from its manifest alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flows.figure_lines import code_line, untrained_line
from service.release.manifest import Manifest


def what_it_is(manifest: Manifest) -> str:
    """One sentence."""
    widths = " → ".join(str(layer.width) for layer in manifest.code.layers)
    rows = f"{manifest.data.rows.get('train', 0):,} rows of {manifest.data.source}"
    return (
        f"An autoencoder ({manifest.kind}) of {_rows(manifest)}: its encoder makes a code of each row (layers of "
        f"{widths} units), its decoder a row of each code. It was trained without labels on {rows}."
    )


def uses(manifest: Manifest) -> Iterator[str]:
    """What it is meant for."""
    yield "codes of rows like those it learned from, to search, compare, cluster or draw them by"
    yield "new rows and ways between rows, decoded from codes"
    yield "how unusual a row is among those it learned from"
    if manifest.classifier is not None:
        yield f"which of {manifest.classifier.classes} labels a row has, with a probability each"


def limits(manifest: Manifest) -> Iterator[str]:
    """What it is not for."""
    if untrained := untrained_line(manifest.recipe):
        yield f"Beware: {untrained}."
    low, high = manifest.input.minimum, manifest.input.maximum
    yield (
        f"It knows rows like those of {manifest.data.source}, with values from {low:g} to {high:g}. Of other rows its "
        "codes and reconstructions mean little; the scores say how unusual a row is."
    )
    yield (
        f"Its codes belong to space {manifest.space_id}. Codes of another space, so of nearly every other release, are "
        "never comparable with them."
    )
    yield (
        "What it generates looks like its data and is none: it must not be taken for measured. Rows that it learned "
        "from can be close to what it generates, and a sample of them is inside the release."
    )
    calibrated = f"{manifest.calibration.rows:,} {manifest.calibration.split} rows"
    yield f"Its p-values are those of {calibrated}: they hold while what comes is drawn as those were."
    if manifest.classifier is not None:
        yield "Its classifier knows no other labels than its own, and gives every row one."
    yield "It was not examined for fairness among groups of people, and decides nothing about a person by itself."


def facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where it comes from, by name."""
    yield "release", manifest.version
    yield "space", manifest.space_id
    yield "made", manifest.created
    yield "parent, the champion of that day", manifest.parent or "none"
    yield "flow run", manifest.flow_run or "none"
    yield "code", code_line(manifest)
    yield "libraries", ", ".join(f"{name} {version}" for name, version in manifest.versions.items()) or "not stated"


def data_facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What it learned from, by name."""
    yield "source", manifest.data.source
    yield "fingerprint", manifest.data.fingerprint
    yield "rows", ", ".join(f"{split} {rows:,}" for split, rows in manifest.data.rows.items())
    dropped = ", ".join(f"{reason} {rows:,}" for reason, rows in manifest.data.dropped.items())
    yield "left out", dropped or "none"
    labels = manifest.data.label_names
    yield "labels", ", ".join(labels) if labels else "none"


def recipe_lines(manifest: Manifest) -> str:
    """The recipe as JSON, a field a line."""
    return json.dumps(manifest.recipe, indent=2)


def example_row(manifest: Manifest) -> str:
    """Where an example gets its rows from."""
    return f"np.zeros((1, {', '.join(str(size) for size in manifest.input.shape)}), np.float32)"


def _rows(manifest: Manifest) -> str:
    return f"{manifest.input.kind}s of {' × '.join(str(size) for size in manifest.input.shape)}"
