"""docs/recipes.md, made from the recipe's own description: `python -m flows.steps.recipe_page` writes it anew."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models.recipe import Recipe
from service.release.atomic import write_atomically

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
COMMAND = "python -m flows.steps.recipe_page"

_HEAD = f"""# Every field of a recipe

A recipe is a YAML file with these fields; those that come with Manifold are in `models/recipes/`. Each field can be set
on the command line by its dotted path, a layer's by its place in the list, from 0; a value is YAML:

```bash
manifold train --recipe sdae --set layers=[64,16] --set pretraining.optimiser.learning_rate=1e-3
manifold train --recipe sdae --set 'layers.0.corruption={{kind: masking, level: 0.3}}'
```

Fields that do not go together are refused before any data is read, and the message says what is allowed. The tables are
those of the code: `{COMMAND}` writes this page anew.
"""
_SIGNS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_LENGTHS = {"min_length": "at least", "max_length": "at most"}
_NAMES = {int: "integer", float: "number", bool: "`true` or `false`", str: "text"}


def recipe_page() -> str:
    """The page: a table of the recipe's own fields, then one of each part's, with type, default, range, description."""
    sections = [_HEAD, *_table(Recipe)]
    for part, places in _parts().items():
        says = (part.__doc__ or "").partition("\n")[0]
        sections += ["", f"## {_heading(part)}", "", f"{says} At {', '.join(f'`{place}`' for place in places)}.", ""]
        sections += _table(part)
    return "\n".join(sections) + "\n"


def _parts() -> dict[type[BaseModel], list[str]]:
    """Every part below the recipe, the nearest first, with the paths at which it stands."""
    places: dict[type[BaseModel], list[str]] = {}
    waiting: list[tuple[str, type[BaseModel]]] = [("", Recipe)]
    for above, part in waiting:
        for name, field in part.model_fields.items():
            several = ".0" if get_origin(field.annotation) is tuple else ""
            for inner in _models_in(field.annotation):
                place = f"{above}{name}{several}"
                if place not in places.setdefault(inner, []):
                    places[inner].append(place)
                    waiting.append((f"{place}.", inner))
    return places


def _table(part: type[BaseModel]) -> Iterator[str]:
    yield "| field | type | default | range | is |"
    yield "|---|---|---|---|---|"
    for name, field in part.model_fields.items():
        yield f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_range(field)} | {field.description} |"


def _type(annotation: Any) -> str:
    if annotation is type(None):
        return "none"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        heading = _heading(annotation)
        return f"[{heading}](#{heading.replace(' ', '-')})"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is tuple:
        shorter = ", or integer" if _models_in(arguments[0]) else ""
        return f"list of {_type(arguments[0])}{shorter}"
    if origin in {Union, types.UnionType}:
        return " or ".join(_type(argument) for argument in arguments)
    return _NAMES[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    if isinstance(field.default, BaseModel):
        return "its fields' own"
    if field.default is None:
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _range(field: FieldInfo) -> str:
    found = []
    for limit in field.metadata:
        found += [f"{said} {getattr(limit, sign):,}" for sign, said in _SIGNS.items() if hasattr(limit, sign)]
        found += [f"{said} {getattr(limit, end)} entries" for end, said in _LENGTHS.items() if hasattr(limit, end)]
        if pattern := getattr(limit, "pattern", None):
            found.append(f"`{pattern}`")
    return ", ".join(found)


def _heading(part: type[BaseModel]) -> str:
    """A class's name as words, in small letters."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part.__name__).lower()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


if __name__ == "__main__":
    write_atomically(PAGE, recipe_page().encode())
