"""One batch to named terms: corruption, losses and the four objectives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.contraction import pair_jacobian_norm
from models.corruption import corrupt
from models.errors import ModelError
from models.layers import Pair, build_pair
from models.losses import binary_cross_entropy, reconstruction_loss, squared_error
from models.objectives import Objective
from models.recipe import Contraction, Corruption, Dense
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


def test_the_closed_form_of_a_whole_stack_is_refused(pair: Pair, x: Tensor) -> None:
    objective = Objective("squared_error", contraction=Contraction(kind="analytic", weight=0.5, form="closed"))
    with pytest.raises(ModelError, match="allowed: auto, exact or probe"):
        objective.terms(Stack([pair]), x, generator())
