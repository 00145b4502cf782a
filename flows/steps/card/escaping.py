"""Text from somebody's data inside Markdown: shown as it is, and never taken for markup."""

from __future__ import annotations

import html
import re

# Everything that CommonMark or GitHub's tables give a meaning to; the other signs of HTML are turned into entities.
_MARKUP = re.compile(r"([\\`*_{}\[\]()!|~:@]|(?<=www)\.|^[-+#=])")
# A number at the beginning makes a list.
_NUMBER = re.compile(r"^(\d+)\.")


class Verbatim(str):
    """Markdown of our own making, which is not escaped."""

    __slots__ = ()


def markdown_text(value: object) -> str:
    """A value on one line of Markdown, showing exactly its own letters.

    Args:
        value: of any type; `Verbatim` is left as it is.
    """
    if isinstance(value, Verbatim):
        return value
    line = "".join(letter if letter.isprintable() else " " for letter in str(value))
    line = html.escape(" ".join(line.split()), quote=False)
    return _NUMBER.sub(r"\1\\.", _MARKUP.sub(r"\\\1", line))
