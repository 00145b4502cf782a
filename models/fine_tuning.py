"""Fine-tuning, both ways: the whole stack on the unrolled reconstruction, and the encoder with a softmax on labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.batches import Rows
from models.checkpoints import CheckpointKeeper
from models.classifier import Classifier
from models.contraction import PenaltyForm, penalty_form
from models.errors import ShapeError
from models.losses import classification_loss
from models.objectives import Objective, Reconstruction
from models.recipe_parts import SupervisedFineTuning, Training
from models.regularised_encoding import RegularisedEncoding
from models.stack import Stack
from models.training import Examples, OnEpoch, Trained, train


def fine_tune(
    stack: Stack,
    inputs: Rows,
    validation: Rows,
    *,
    objective: Objective,
    settings: Training,
    seed: int,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    checkpoints: CheckpointKeeper | None = None,
) -> Trained:
    """Train all layers in place on reconstruction; the stack's state and a report for each epoch.

    Args:
        stack: with pre-trained pairs, or with initial weights.
        inputs: scaled rows, float32 (n, *stack.input_shape); may be memory-mapped.
        validation: likewise.
        objective: `fine_tuning_objective(recipe)`.
        settings: `recipe.fine_tuning`; with 0 epochs the stack stays as it is.
        seed: `recipe.seed`.
        device: where to compute; the stack is left there.
        on_epoch: is called after each epoch, with `layer=None`.
        checkpoints: where to go on from, and where to keep how far it is.

    Raises:
        ShapeError: rows do not have the stack's shape, or there are none.
        TrainingDivergedError: the loss became infinite or NaN.

    Source: Hinton & Salakhutdinov 2006, figure 1.
    """
    return train(
        stack,
        Reconstruction(stack, objective.fitted_to(inputs)),
        Examples(inputs),
        Examples(validation),
        settings=settings,
        seed=seed,
        stage="fine-tuning",
        device=device,
        on_epoch=on_epoch,
        checkpoints=checkpoints,
    )


def fine_tune_classifier(
    classifier: Classifier,
    examples: Examples,
    validation: Examples,
    *,
    settings: SupervisedFineTuning,
    seed: int,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    checkpoints: CheckpointKeeper | None = None,
) -> Trained:
    """Train encoder and softmax in place on labels; the classifier's state and a report for each epoch.

    Args:
        classifier: its encoder pre-trained, or with initial weights.
        examples: scaled rows with labels from 0.
        validation: likewise; patience looks at the share of labels that are missed.
        settings: `recipe.supervised_fine_tuning`; its corruption and contraction are of training rows only.
        seed: `recipe.seed`.
        device: where to compute; the classifier is left there.
        on_epoch: is called after each epoch, with `layer=None`.
        checkpoints: where to go on from, and where to keep how far it is.

    Raises:
        ShapeError: rows do not have the encoder's shape, there are none, or labels are missing.
        TrainingDivergedError: the loss became infinite or NaN.

    Source: Vincent et al. 2010, section 3.4.
    """
    encoding = RegularisedEncoding(settings.corruption, settings.contraction).fitted_to(examples.rows)
    return train(
        classifier,
        Classification(classifier, encoding),
        examples,
        validation,
        settings=settings,
        seed=seed,
        stage="supervised fine-tuning",
        device=device,
        on_epoch=on_epoch,
        checkpoints=checkpoints,
    )


@dataclass(frozen=True)
class Classification:
    """What supervised fine-tuning minimises: cross-entropy of the labels, and the weighted contraction penalty of the
    encoder where there is one; and what it watches: cross-entropy, and the share of labels it misses."""

    model: Classifier
    encoding: RegularisedEncoding

    @property
    def compares_codes(self) -> bool:
        """With the stochastic contraction penalty."""
        return self.encoding.contraction.kind == "stochastic"

    @property
    def penalty(self) -> PenaltyForm | None:
        """With the analytic contraction penalty."""
        contraction = self.encoding.contraction
        return penalty_form(self.model.stack, contraction.form) if contraction.kind == "analytic" else None

    def loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Of rows that are corrupted where that is asked for."""
        code, penalty, _ = self.encoding.encode(self.model.stack, x, generator)
        loss = classification_loss(self.model.head(code.flatten(1)), _given(labels))
        return loss if penalty is None else loss + self.encoding.contraction.weight * penalty

    def figures(self, x: Tensor, labels: Tensor | None, _generator: torch.Generator) -> tuple[Tensor, ...]:
        """Of clean rows."""
        logits, wanted = self.model(x), _given(labels)
        missed = (logits.argmax(1) != wanted).double().mean()
        return classification_loss(logits, wanted), missed


def _given(labels: Tensor | None) -> Tensor:
    if labels is None:
        raise ShapeError("no labels came; supervised fine-tuning expects one a row")
    return labels
