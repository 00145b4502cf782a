"""What a manifest states of the variants of its networks: the same encoder and decoder, stored in fewer bits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.release.part import Part

ReducedVariant = Literal["int8", "float16"]
VariantName = Literal["float32", ReducedVariant]


class Variant(Part):
    """An encoder and a decoder in `variants/<name>/`, with a golden batch of their own, and what they lose.

    Their codes are in the release's own space: how many neighbours they keep is what that means here.
    """

    name: ReducedVariant
    neighbour_agreement: float = Field(
        ge=0, le=1, description="share of a row's nearest neighbours in the float32 code that are so in its code too"
    )
    neighbour_agreement_among_float32: float = Field(
        ge=0, le=1, description="the same where only the row itself is encoded by the variant, its neighbours are not"
    )
    neighbours: int = Field(ge=1, description="how many nearest neighbours of a row were looked at")
    split: str
    rows: int = Field(ge=1, description="how many rows both are the mean of")
    least_neighbour_agreement: float = Field(
        gt=0, le=1, description="the recipe's bound: below it, in either figure, the variant is not served"
    )
    bytes: int = Field(ge=1, description="size of encoder and decoder together")
    float32_bytes: int = Field(ge=1, description="the same of the float32 ones")
    code_tolerance: float = Field(ge=0, description="largest absolute difference of a code of its golden batch")
    output_tolerance: float = Field(ge=0, description="the same of a reconstruction, in the data's own units")

    @property
    def is_within_bound(self) -> bool:
        """Whether it keeps as many neighbours as the recipe asks."""
        kept = min(self.neighbour_agreement, self.neighbour_agreement_among_float32)
        return kept >= self.least_neighbour_agreement
