"""Fields of a recipe that are right alone and wrong together."""

from __future__ import annotations

from models.recipe_errors import Fault
from models.recipe_fields import RecipeFields
from models.recipe_layers import layer_contraction, layer_corruption
from models.recipe_parts import LARGEST_CODE, LARGEST_EXACT_CODE, Contraction, Convolution, Dense, Layer


def disagreements(recipe: RecipeFields) -> list[Fault]:
    """Every field that does not go with the others."""
    faults = [
        *_layer_faults(recipe),
        *_loss_faults(recipe),
        *_kind_faults(recipe),
        *_penalty_faults(recipe),
        *_fine_tuning_faults(recipe),
        *_idle_phase_faults(recipe),
        *_export_faults(recipe),
    ]
    # Only where the rest agrees: what is wrong with a kind of noise is told once.
    return faults or [*_denoising_faults(recipe), *_contracting_faults(recipe)]


def _layer_faults(recipe: RecipeFields) -> list[Fault]:
    faults = []
    if recipe.kind in {"sae", "sdae"} and len(recipe.layers) < 2:
        faults.append(Fault("layers", len(recipe.layers), f"at least 2 layers where kind is {recipe.kind}"))
    kinds = [layer.kind for layer in recipe.layers]
    faults.extend(
        Fault(f"layers.{index}.kind", kind, "dense after a dense layer")
        for index, kind in enumerate(kinds)
        if kind == "convolution" and "dense" in kinds[:index]
    )
    last = recipe.layers[-1]
    if isinstance(last, Dense) and last.width > LARGEST_CODE:
        allowed = f"at most {LARGEST_CODE} in the last layer, whose code a density is fitted to"
        faults.append(Fault(f"layers.{len(kinds) - 1}.width", last.width, allowed))
    resized = [
        index for index, layer in enumerate(recipe.layers) if isinstance(layer, Convolution) and layer.up == "resize"
    ]
    if recipe.tied_weights and resized:
        faults.append(Fault("tied_weights", True, f"false where layers.{resized[0]}.up is resize"))
    return faults


def _loss_faults(recipe: RecipeFields) -> list[Fault]:
    faults = []
    if recipe.loss == "binary_cross_entropy" and recipe.output_activation != "sigmoid":
        allowed = "sigmoid where loss is binary_cross_entropy"
        faults.append(Fault("output_activation", recipe.output_activation, allowed))
    if recipe.loss == "binary_cross_entropy" and recipe.scaling != "range":
        faults.append(Fault("scaling", recipe.scaling, "range where loss is binary_cross_entropy"))
    if recipe.output_activation == "sigmoid" and recipe.scaling == "standard":
        faults.append(Fault("output_activation", "sigmoid", "linear where scaling is standard"))
    return faults


def _kind_faults(recipe: RecipeFields) -> list[Fault]:
    faults = []
    contraction = {"scae": "stochastic", "cae": "analytic"}.get(recipe.kind, "none")
    if recipe.contraction.kind != contraction:
        faults.append(Fault("contraction.kind", recipe.contraction.kind, f"{contraction} where kind is {recipe.kind}"))
    denoising = recipe.kind in {"dae", "sdae"}
    if denoising and recipe.corruption.kind == "none":
        allowed = f"masking, gaussian or salt_and_pepper where kind is {recipe.kind}"
        faults.append(Fault("corruption.kind", "none", allowed))
    if not denoising and recipe.corruption.kind != "none":
        faults.append(Fault("corruption.kind", recipe.corruption.kind, f"none where kind is {recipe.kind}"))
    return faults


def _penalty_faults(recipe: RecipeFields) -> list[Fault]:
    """A penalty in a form that its layer, or the whole encoder, does not have; of the phases that run."""
    faults = []
    for index, layer in enumerate(recipe.layers if recipe.pretraining.epochs else ()):
        place = "contraction.form" if layer.contraction is None else f"layers.{index}.contraction.form"
        if layer_contraction(recipe, index).form == "exact":
            faults.extend(_size_faults(place, layer))
    deep = {}
    if recipe.supervised_fine_tuning.epochs:
        deep["supervised_fine_tuning.contraction.form"] = recipe.supervised_fine_tuning.contraction.form
    if recipe.fine_tuning.epochs and recipe.fine_tuning.contract:
        deep["contraction.form"] = recipe.contraction.form
    for place, form in deep.items():
        if form == "exact":
            faults.extend(_size_faults(place, recipe.layers[-1]))
        if form == "closed" and len(recipe.layers) > 1:
            faults.append(Fault(place, "closed", "auto, exact or probe: a deep encoder has no closed form"))
    return faults


def _size_faults(place: str, layer: Layer) -> list[Fault]:
    if isinstance(layer, Dense) and layer.width <= LARGEST_EXACT_CODE:
        return []
    size = f"{layer.width} units" if isinstance(layer, Dense) else f"{layer.channels} channels of a convolution"
    allowed = f"auto, closed or probe for a code of {size}: exact takes at most {LARGEST_EXACT_CODE} dense units"
    return [Fault(place, "exact", allowed)]


def _fine_tuning_faults(recipe: RecipeFields) -> list[Fault]:
    faults = []
    if recipe.pretraining.epochs == recipe.fine_tuning.epochs == recipe.supervised_fine_tuning.epochs == 0:
        faults.append(Fault("pretraining.epochs", 0, "at least 1 where no fine-tuning has an epoch"))
    if recipe.fine_tuning.corrupt and recipe.corruption.kind == "none":
        faults.append(Fault("fine_tuning.corrupt", True, "false where corruption.kind is none"))
    if (emphasis := recipe.supervised_fine_tuning.corruption.emphasis) is not None:
        allowed = "none: a classifier reconstructs nothing"
        faults.append(Fault("supervised_fine_tuning.corruption.emphasis", emphasis.model_dump(), allowed))
    if recipe.fine_tuning.contract and recipe.contraction.kind == "none":
        faults.append(Fault("fine_tuning.contract", True, "false where contraction.kind is none"))
    return faults


def _idle_phase_faults(recipe: RecipeFields) -> list[Fault]:
    """Noise or a penalty for a phase without epochs. Its learning rate and the like are no claim, and may stay."""
    layers, supervised = recipe.layers, recipe.supervised_fine_tuning
    noise = {f"layers.{index}.corruption.kind": layer.corruption for index, layer in enumerate(layers)}
    penalties = {f"layers.{index}.contraction.kind": layer.contraction for index, layer in enumerate(layers)}
    claims: dict[str, dict[str, object]] = {
        "pretraining": {path: own.kind for path, own in (noise | penalties).items() if own is not None},
        "fine_tuning": {
            "fine_tuning.corrupt": recipe.fine_tuning.corrupt,
            "fine_tuning.contract": recipe.fine_tuning.contract,
        },
        "supervised_fine_tuning": {
            "supervised_fine_tuning.corruption.kind": supervised.corruption.kind,
            "supervised_fine_tuning.contraction.kind": supervised.contraction.kind,
        },
    }
    return [
        Fault(path, came, f"{'false' if came is True else 'none'} where {phase}.epochs is 0")
        for phase, fields in claims.items()
        if getattr(recipe, phase).epochs == 0
        for path, came in fields.items()
        if came not in ("none", False)
    ]


def _export_faults(recipe: RecipeFields) -> list[Fault]:
    variants = recipe.export.variants
    if len(set(variants)) < len(variants):
        return [Fault("export.variants", list(variants), "each variant once")]
    if "int8" in variants and not any(isinstance(layer, Dense) for layer in recipe.layers):
        return [Fault("export.variants", list(variants), "int8 where at least one layer is dense")]
    return []


def _denoising_faults(recipe: RecipeFields) -> list[Fault]:
    """A denoising autoencoder that never sees noise, which is the plain one under a wrong name.

    A level of 0 is no such fault: that it gives the plain autoencoder bit for bit is the first point of each curve over
    levels. Nor is a recipe without any reconstruction to learn: a classifier from initial weights, beside the one that
    the same recipe pre-trains.
    """
    if recipe.kind not in {"dae", "sdae"} or not _reconstructs(recipe) or recipe.fine_tuning.corrupt:
        return []
    if not recipe.pretraining.epochs:
        return [Fault("fine_tuning.corrupt", False, _where_not_pretrained(recipe))]
    if any(layer_corruption(recipe, index).kind != "none" for index in range(len(recipe.layers))):
        return []
    allowed = f"masking, gaussian or salt_and_pepper in one layer at least where kind is {recipe.kind}"
    return [Fault("layers.0.corruption.kind", "none", allowed)]


def _contracting_faults(recipe: RecipeFields) -> list[Fault]:
    """A contractive autoencoder that never contracts, which is the plain one under a wrong name.

    One layer that contracts is enough, or the fine-tuning. Unlike a level of 0, a weight of 0 is no point of a paper's
    curves: `kind: ae` says the same by its name.
    """
    if recipe.kind not in {"cae", "scae"} or not _reconstructs(recipe):
        return []
    used = {}
    if recipe.pretraining.epochs:
        for index, layer in enumerate(recipe.layers):
            place = "contraction" if layer.contraction is None else f"layers.{index}.contraction"
            used[place] = layer_contraction(recipe, index)
    if recipe.fine_tuning.contract:
        used["contraction"] = recipe.contraction
    if not used:
        return [Fault("fine_tuning.contract", False, _where_not_pretrained(recipe))]
    faults = [fault for place, own in used.items() if (fault := _without_effect(place, own, recipe.kind))]
    return faults[:1] if len(faults) == len(used) else []


def _where_not_pretrained(recipe: RecipeFields) -> str:
    allowed = f"true where kind is {recipe.kind} and pretraining.epochs is 0"
    if not recipe.supervised_fine_tuning.epochs:
        return allowed
    return f"{allowed}; or set fine_tuning.epochs=0 for a classifier from random initial weights"


def _without_effect(place: str, contraction: Contraction, kind: str) -> Fault | None:
    if contraction.kind == "none":
        return Fault(f"{place}.kind", "none", f"analytic or stochastic in one layer at least where kind is {kind}")
    if contraction.weight == 0:
        return Fault(f"{place}.weight", 0.0, f"above 0 where kind is {kind}; kind ae has no penalty")
    if contraction.kind == "stochastic" and contraction.corruption.level == 0:
        return Fault(f"{place}.corruption.level", 0.0, f"above 0 where kind is {kind}; kind ae has no penalty")
    return None


def _reconstructs(recipe: RecipeFields) -> bool:
    return recipe.pretraining.epochs > 0 or recipe.fine_tuning.epochs > 0
