"""One batch to named terms: corruption, losses and the four objectives."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from models.contraction import exact_jacobian_norm, pair_jacobian_norm, penalty_form
from models.corruption import corrupt
from models.errors import ModelError
from models.layers import Pair, build_pair
from models.losses import binary_cross_entropy, reconstruction_loss, squared_error
from models.objectives import Objective
from models.recipe import Contraction, Corruption, Dense
from models.recipe_parts import ContractionForm, Emphasis
from models.stack import Stack

MASKING = Corruption(kind="masking", level=0.5)
GAUSSIAN = Corruption(kind="gaussian", level=0.3)
SALT_AND_PEPPER = Corruption(kind="salt_and_pepper", level=0.4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pair() -> Pair:
    return build_pair(
        Dense(width=4),
        (6,),
        code_activation="sigmoid",
        output_activation="sigmoid",
        tied=False,
        generator=generator(1),
    )


@pytest.fixture
def x() -> Tensor:
    return torch.rand(5, 6, generator=generator(2))


def test_masking_zeroes_its_share_and_leaves_the_others_as_they_are() -> None:
    x = torch.full((200, 500), 0.7)
    seen = corrupt(x, MASKING, generator()).x
    assert set(seen.flatten().tolist()) == {0.0, x[0, 0].item()}
    assert float((seen == 0).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_gaussian_noise_has_its_deviation_and_no_mean() -> None:
    noise = corrupt(torch.zeros(200, 500), GAUSSIAN, generator()).x
    assert float(noise.std()) == pytest.approx(0.3, abs=0.005)
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)


def test_salt_and_pepper_are_the_extremes_by_a_fair_coin() -> None:
    seen = corrupt(torch.full((200, 500), 0.5), SALT_AND_PEPPER, generator(), low=-1.0, high=2.0).x
    shares = [float((seen == value).float().mean()) for value in (-1.0, 2.0, 0.5)]
    assert shares == pytest.approx([0.2, 0.2, 0.6], abs=0.01)


@pytest.mark.parametrize("kind", ["none", "masking", "gaussian", "salt_and_pepper"])
def test_no_level_is_no_corruption(kind: str, x: Tensor) -> None:
    assert corrupt(x, Corruption.model_validate({"kind": kind}), generator()).x is x


def test_losses_are_summed_over_features_and_averaged_over_rows() -> None:
    x, reconstruction = torch.zeros(4, 3, 2), torch.full((4, 3, 2), 2.0)
    assert float(squared_error(x, reconstruction)) == 4 * 6
    logits = torch.zeros(4, 3, 2)
    assert float(binary_cross_entropy(x, logits)) == pytest.approx(6 * 0.6931472)


def test_cross_entropy_of_anything_but_a_sigmoid_is_refused(x: Tensor) -> None:
    with pytest.raises(ModelError, match="linear"):
        reconstruction_loss("binary_cross_entropy", "linear", x, x)


def test_the_plain_autoencoder_has_one_term(pair: Pair, x: Tensor) -> None:
    terms = Objective("squared_error").terms(pair, x, generator())
    torch.testing.assert_close(terms.total, squared_error(x, pair(x)))
    assert terms.contraction_penalty is None


def test_the_denoising_target_stays_clean(pair: Pair, x: Tensor) -> None:
    terms = Objective("squared_error", MASKING).terms(pair, x, generator(7))
    seen = corrupt(x, MASKING, generator(7)).x
    torch.testing.assert_close(terms.total, squared_error(x, pair(seen)))


def test_the_contractive_total_adds_the_weighted_norm_of_the_clean_code(pair: Pair, x: Tensor) -> None:
    terms = Objective("squared_error", contraction=Contraction(kind="analytic", weight=0.5)).terms(pair, x, generator())
    norm = pair_jacobian_norm(pair, pair.encoder_preactivation(x)).mean()
    torch.testing.assert_close(terms.contraction_penalty, norm)
    torch.testing.assert_close(terms.total, squared_error(x, pair(x)) + 0.5 * norm)


def test_the_stochastic_contraction_reconstructs_the_clean_input(pair: Pair, x: Tensor) -> None:
    contraction = Contraction(kind="stochastic", weight=2.0, corruption=GAUSSIAN)
    terms = Objective("squared_error", contraction=contraction).terms(pair, x, generator(8))
    seen = corrupt(x, GAUSSIAN, generator(8)).x
    shift = (pair.encode(x) - pair.encode(seen)).square().sum(1).mean()
    torch.testing.assert_close(terms.reconstruction, squared_error(x, pair(x)))
    torch.testing.assert_close(terms.total, terms.reconstruction + 2 * shift)


@pytest.mark.parametrize("corruption", [MASKING, GAUSSIAN, SALT_AND_PEPPER])
def test_emphasis_weighs_touched_entries_against_the_others(pair: Pair, x: Tensor, corruption: Corruption) -> None:
    """Vincent et al. 2010, section 4.3: α over the entries that were chosen, β over the others."""
    emphasis = Emphasis(corrupted=3.0, untouched=0.5)
    share = {"share": 0.6} if corruption.kind == "gaussian" else {}
    emphasised = corruption.model_copy(update={"emphasis": emphasis, **share})
    terms = Objective("squared_error", emphasised).terms(pair, x, generator(7))
    seen = corrupt(x, emphasised, generator(7))
    assert seen.touched is not None
    assert 0 < int(seen.touched.sum()) < x.numel()
    errors = (pair(seen.x) - x).square()
    expected = (3.0 * errors[seen.touched].sum() + 0.5 * errors[~seen.touched].sum()) / len(x)
    torch.testing.assert_close(terms.total, expected)


def test_equal_emphasis_is_none(pair: Pair, x: Tensor) -> None:
    plain = Objective("binary_cross_entropy", MASKING).terms(pair, x, generator(7))
    even = Objective("binary_cross_entropy", MASKING.model_copy(update={"emphasis": Emphasis()}))
    torch.testing.assert_close(even.terms(pair, x, generator(7)).total, plain.total)


def test_a_touched_entry_need_not_have_changed() -> None:
    # A black pixel that was masked is among those that the network has to guess.
    seen = corrupt(torch.zeros(50, 50), MASKING, generator())
    assert seen.touched is not None
    assert float(seen.touched.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_gaussian_noise_on_a_share_leaves_the_others_alone() -> None:
    x = torch.full((200, 500), 0.5)
    seen = corrupt(x, Corruption(kind="gaussian", level=0.3, share=0.25), generator())
    assert seen.touched is not None
    assert float((seen.x != x).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(seen.x != x, seen.touched)


def test_corruption_and_contraction_together_contract_at_the_clean_row(pair: Pair, x: Tensor) -> None:
    contraction = Contraction(kind="analytic", weight=0.5)
    terms = Objective("squared_error", MASKING, contraction).terms(pair, x, generator(7))
    norm = pair_jacobian_norm(pair, pair.encoder_preactivation(x)).mean()
    torch.testing.assert_close(terms.contraction_penalty, norm)
    torch.testing.assert_close(terms.reconstruction, squared_error(x, pair(corrupt(x, MASKING, generator(7)).x)))


def deep(widths: tuple[int, ...]) -> Stack:
    sizes = (6, *widths)
    return Stack(
        [
            build_pair(
                Dense(width=width),
                (features,),
                code_activation="sigmoid",
                output_activation="sigmoid",
                tied=False,
                generator=generator(width),
            )
            for features, width in pairwise(sizes)
        ]
    ).double()


def gradients(model: Stack, penalty: Tensor) -> list[Tensor]:
    wanted = [parameter for name, parameter in model.named_parameters() if "decoder" not in name]
    return list(torch.autograd.grad(penalty, wanted))


def test_the_exact_penalty_of_a_whole_encoder_and_its_gradient_are_autograds(x: Tensor) -> None:
    stack, x = deep((5, 4, 3)), x.double()
    objective = Objective("squared_error", contraction=Contraction(kind="analytic", weight=0.5, form="exact"))
    terms = objective.terms(stack, x, generator())
    jacobians = torch.stack(
        [torch.func.jacrev(lambda one: stack.encode(one[None])[0])(row) for row in x]  # (row, code, features)
    )
    expected = jacobians.square().sum(dim=(1, 2)).mean()
    assert terms.contraction_penalty is not None
    torch.testing.assert_close(terms.contraction_penalty, expected)
    found = gradients(stack, terms.contraction_penalty)
    torch.testing.assert_close(found, gradients(stack, expected))
    torch.testing.assert_close(terms.reconstruction, squared_error(x, stack(x)))


def test_the_probed_penalty_of_a_whole_encoder_is_right_in_expectation(x: Tensor) -> None:
    stack, row = deep((5, 4, 3)), x[:1].double()
    contraction = Contraction(kind="analytic", weight=0.5, form="probe")
    many = row.expand(40_000, 6)
    probed = Objective("squared_error", contraction=contraction).terms(stack, many, generator(3)).contraction_penalty
    exactly = exact_jacobian_norm(stack.encode, row).mean()
    assert probed is not None
    assert float(probed.detach()) == pytest.approx(float(exactly.detach()), rel=0.02)
    exact = Objective("squared_error", contraction=contraction.model_copy(update={"form": "exact"}))
    norm = exact.terms(stack, row, generator()).contraction_penalty
    assert norm is not None
    for found, expected in zip(gradients(stack, probed), gradients(stack, norm), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.1, atol=0.05 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("widths", "asked", "taken"),
    [((5, 3), "auto", "exact"), ((5, 30), "auto", "probe"), ((5, 30), "exact", "exact"), ((5, 3), "probe", "probe")],
)
def test_a_deep_penalty_is_exact_where_the_code_is_small_or_it_is_asked_for_and_else_a_probe(
    widths: tuple[int, ...], asked: ContractionForm, taken: str
) -> None:
    assert penalty_form(deep(widths), asked) == taken


def test_one_layer_has_a_closed_form_and_takes_it(pair: Pair) -> None:
    assert penalty_form(pair, "auto") == "closed"


def test_the_closed_form_of_a_deep_encoder_is_refused(x: Tensor) -> None:
    objective = Objective("squared_error", contraction=Contraction(kind="analytic", weight=0.5, form="closed"))
    with pytest.raises(ModelError, match="allowed: auto, exact or probe"):
        objective.terms(deep((5, 4)), x.double(), generator())


def test_a_stack_of_one_layer_has_that_layers_closed_form(pair: Pair, x: Tensor) -> None:
    objective = Objective("squared_error", contraction=Contraction(kind="analytic", weight=0.5, form="closed"))
    found = objective.terms(Stack([pair]), x, generator())
    torch.testing.assert_close(found.total, objective.terms(pair, x, generator()).total)
