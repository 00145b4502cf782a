"""A failed validation as lines for people: `field: value came; allowed: ...`."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

_CROSS_FIELD = "fields_disagree"
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Fault:
    """One wrong field: its path below the part that was checked, the value that came, and what is allowed."""

    path: str
    came: object
    allowed: str


def cross_field_error(faults: Sequence[Fault]) -> PydanticCustomError:
    """The error to raise in a validator that found fields which are right alone and wrong together."""
    message = "; ".join(_line(fault.path, fault.came, fault.allowed) for fault in faults)
    # The message goes in by context: pydantic would read braces in it as placeholders.
    return PydanticCustomError(_CROSS_FIELD, "{message}", {"message": message, "faults": list(faults)})


def explain(error: ValidationError, root: type[BaseModel]) -> str:
    """One line for each wrong field of `root`: dotted path, the value that came, what is allowed."""
    found = error.errors()
    # Pydantic also calls a list too short whose entries are wrong: say what is wrong with the entries only.
    inner = {details["loc"][:depth] for details in found for depth in range(len(details["loc"]))}
    return "\n".join(line for details in found if details["loc"] not in inner for line in _lines(details, root))


def _lines(details: ErrorDetails, root: type[BaseModel]) -> list[str]:
    path = _without_tags(details["loc"])
    if details["type"] == _CROSS_FIELD:
        faults: list[Fault] = details["ctx"]["faults"]
        return [_line(_dotted([*path, fault.path]), fault.came, fault.allowed) for fault in faults]
    if details["type"] == "extra_forbidden":
        return [f"{_dotted(path)}: unknown field, {_shown(details['input'])} came; {_known(path, details, root)}"]
    if details["type"] == "missing":
        return [f"{_dotted(path)}: nothing came; allowed: {_description(path, details, root)}"]
    if details["type"] in {"union_tag_invalid", "union_tag_not_found", "model_attributes_type"}:
        allowed = "an integer, or fields with kind: dense or kind: convolution"
        return [_line(_dotted(path), details["input"], allowed)]
    return [_line(_dotted(path), details["input"], _allowed(details))]


def _line(path: str, came: object, allowed: str) -> str:
    return f"{path}: {_shown(came)} came; allowed: {allowed}"


def _allowed(details: ErrorDetails) -> str:
    if details["type"] == "tuple_type":
        # Of all fields only the layers are several.
        return "a list such as [64, 32]"
    message = details["msg"]
    for prefix in ("Input should be ", "Input should "):
        message = message.removeprefix(prefix)
    return message


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _dotted(path: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in path) or "recipe"


def _without_tags(location: Sequence[int | str]) -> list[int | str]:
    """A location as people write it: pydantic puts a union's tag behind the index of a list's entry."""
    return [
        part
        for position, part in enumerate(location)
        if not (position and isinstance(part, str) and isinstance(location[position - 1], int))
    ]


def _known(path: Sequence[int | str], details: ErrorDetails, root: type[BaseModel]) -> str:
    model, name = _model_at(details["loc"][:-1], root), str(path[-1])
    known = sorted(model.model_fields)
    near = _nested(name, model, path[:-1]) or difflib.get_close_matches(name, known, n=1)
    suggestion = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{suggestion}known fields: {', '.join(known)}"


def _nested(name: str, model: type[BaseModel], above: Sequence[int | str]) -> list[str]:
    """The fields of that name in the parts of a part, by their whole paths: those least deep only."""
    parts: list[tuple[list[int | str], type[BaseModel]]] = [([*above], model)]
    while parts:
        parts = [
            ([*path, field, *_first_entry(described.annotation)], inner)
            for path, part in parts
            for field, described in part.model_fields.items()
            for inner in _models_in(described.annotation)
        ]
        if found := [_dotted([*path, name]) for path, part in parts if name in part.model_fields]:
            return list(dict.fromkeys(found))
    return []


def _first_entry(annotation: Any) -> list[int | str]:
    return [0] if get_origin(annotation) in {tuple, list} else []


def _description(path: Sequence[int | str], details: ErrorDetails, root: type[BaseModel]) -> str:
    return _model_at(details["loc"][:-1], root).model_fields[str(path[-1])].description or "a value"


def _model_at(location: Sequence[int | str], root: type[BaseModel]) -> type[BaseModel]:
    model = root
    tag_next = False
    candidates: list[type[BaseModel]] = []
    for part in location:
        if isinstance(part, int):
            tag_next = True
        elif tag_next:
            model = next(one for one in candidates if one.model_fields["kind"].default == part)
            tag_next = False
        else:
            candidates = _models_in(model.model_fields[part].annotation)
            model = candidates[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Union, types.UnionType, Annotated, tuple, list}:
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []
