"""The model card: what a release is, what it is for and what not, on one page, in HTML and in Markdown.

    manifest, figures ─> wording ─> card.html, card.md ─ rendering ─> two files inside the release

Whatever comes from a person's data or files is escaped, in both. Must never import prefect.
"""

from flows.steps.card.rendering import FORMS, Form, card_of, render_card, store_card

__all__ = ["FORMS", "Form", "card_of", "render_card", "store_card"]
