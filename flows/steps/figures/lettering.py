"""Names that users gave, as a figure can show them: no mathematics, and no letter that the font lacks."""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font


def legible(name: str, most: int) -> str:
    """The first letters of a name; what the font cannot draw is a question mark.

    It still has to be drawn with `parse_math=False`: a dollar sign is a dollar sign.
    """
    letters = _letters()
    return "".join(letter if ord(letter) in letters and letter.isprintable() else "?" for letter in name[:most])


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
