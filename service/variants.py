"""Which variant of a release's networks is served: only one that keeps as many neighbours as its recipe asks."""

from __future__ import annotations

from service.release.manifest import Manifest
from service.release.variants import Variant, VariantName
from service.sessions import Device, ModelError


class VariantError(ModelError):
    """A variant of the networks was asked for that the release lacks, or that must not be served."""


def find_variant(manifest: Manifest, name: VariantName) -> Variant | None:
    """What the manifest states of a variant; None is float32, which every release has.

    Raises:
        VariantError: the release has no such variant.
    """
    if name == "float32":
        return None
    for variant in manifest.variants:
        if variant.name == name:
            return variant
    has = ", ".join(["float32", *(variant.name for variant in manifest.variants)])
    raise VariantError(
        f"release {manifest.version} has no variant {name}, only {has}: set MANIFOLD_VARIANT=float32, or train with "
        f"--set export.variants=[{name}]"
    )


def check_servable(manifest: Manifest, name: VariantName) -> None:
    """Nothing, if a variant may be served as far as its figures say.

    Raises:
        VariantError: the release lacks it, or it keeps fewer neighbours than the recipe asks.
    """
    variant = find_variant(manifest, name)
    if variant is not None and not variant.is_within_bound:
        raise VariantError(
            f"release {manifest.version}: variant {name} keeps {variant.neighbour_agreement:.3f} of the "
            f"{variant.neighbours} nearest neighbours ({variant.neighbour_agreement_among_float32:.3f} among float32 "
            f"codes), at least {variant.least_neighbour_agreement:g} is asked; set MANIFOLD_VARIANT=float32"
        )


def check_device(name: VariantName, device: Device) -> None:
    """Nothing, if a variant is of any use on a device.

    Raises:
        VariantError: it is float16, which a CPU only converts to float32 and back.
    """
    if name == "float16" and device == "cpu":
        raise VariantError(
            "variant float16 is served on CUDA only, a CPU is slower by it: set MANIFOLD_VARIANT=float32"
        )
