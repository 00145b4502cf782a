"""Other people's trainers and ours in turn, in the peers' environment; the rows go to standard output as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import torch
from clustpy.deep.neural_networks import StackedAutoencoder
from pythae.data.datasets import DatasetOutput
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.subjects import ROWS, THREADS, Images, Seconds, layer_epoch, mnist, named, recipe
from models.objectives import layer_objective
from models.pretraining import encode_rows, pretrain_layer
from models.stack import Stack, build_stack

_BATCH = 128
_ROUNDS = 7
_WIDTH = 1000

_GREEDY_LAYERS = [1000, 500, 250, 30]
_GREEDY_ROUNDS = 3
_GREEDY_EPOCHS = 3
_GREEDY_VALIDATION = 2_000


def main() -> None:
    """Measure both rows."""
    device = torch.device(sys.argv[1])
    torch.set_num_threads(THREADS)
    rows = [_over_pythae(device), *_over_clustpy(device)]
    print(json.dumps([asdict(row) for row in rows]))


class _Encoder(BaseEncoder):  # type: ignore[misc]  # pythae has no types
    def __init__(self, config: AEConfig) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, _WIDTH), nn.Sigmoid())

    def forward(self, x: Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x))


class _Decoder(BaseDecoder):  # type: ignore[misc]  # pythae has no types
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(_WIDTH, 784), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class _Images(torch.utils.data.Dataset[DatasetOutput]):
    def __init__(self, rows: Images) -> None:
        self.rows = torch.from_numpy(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=self.rows[index])


def _over_pythae(device: torch.device) -> Row:
    """784-1000-784, untied, sigmoids, squared error, Adam, batches of 128 on both sides."""
    rows = mnist(ROWS)
    fields = {"tied_weights": False, "loss": "squared_error"}
    sides = {"ours": layer_epoch("ae", rows, _BATCH, device, **fields), "pythae 0.1.2": _pythae_epoch(rows, device)}
    samples = interleave(sides, rounds=_ROUNDS)
    name = named("epoch_over_pythae", device)
    return ratio(name, samples, "ours", "pythae 0.1.2", goal=0.7, better="lower", seed=0)


def _pythae_epoch(rows: Images, device: torch.device) -> Seconds:
    config = AEConfig(input_dim=(784,), latent_dim=_WIDTH)
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(prefix="manifold-bench-"),
        per_device_train_batch_size=_BATCH,
        learning_rate=1e-3,
        no_cuda=device.type == "cpu",
    )
    trainer = BaseTrainer(AE(config, _Encoder(config), _Decoder()), _Images(rows), training_config=settings)
    trainer.prepare_training()

    def epoch() -> float:
        started = time.perf_counter()
        trainer.train_step(1)
        return time.perf_counter() - started

    return epoch


def _over_clustpy(device: torch.device) -> Iterator[Row]:
    """Greedy pre-training to the peer's validation error: ours with the fewest epochs that reach it.

    Rectified layers, a linear code and output, squared error, Adam at 0.001 and batches of 128 on both sides. The error
    is that of the unrolled stack on rows that neither side learned from.
    """
    every = mnist(ROWS + _GREEDY_VALIDATION)
    rows, validation = every[:ROWS], every[ROWS:]
    theirs = _clustpy_error(rows, validation, device)[1]
    epochs, ours = 0, float("inf")
    while ours > theirs:
        epochs += 1
        ours = _our_error(rows, validation, epochs, device)[1]
    sides = {
        f"ours, {epochs} epochs a layer": lambda: _our_error(rows, validation, epochs, device)[0],
        f"clustpy 0.0.3, {_GREEDY_EPOCHS} epochs a layer": lambda: _clustpy_error(rows, validation, device)[0],
    }
    samples = interleave(sides, rounds=_GREEDY_ROUNDS)
    our_side, their_side = sides
    yield Row(
        named("greedy_speedup_over_public", device),
        samples[their_side].median / samples[our_side].median,
        "ratio",
        2.0,
        "higher",
        # The only greedy implementation that PyPI has; ptsdae, which is cited more, is not there.
        peer=f"{their_side}: validation error {theirs:.2f}, ours {ours:.2f}",
        seed=0,
        sides={name: side.as_side() for name, side in samples.items()},
    )


def _clustpy_error(rows: Images, validation: Images, device: torch.device) -> tuple[float, float]:
    """Seconds, and the squared error of a validation image."""
    model = StackedAutoencoder([784, *_GREEDY_LAYERS], activation_fn=nn.ReLU, random_state=0).to(device)
    started = time.perf_counter()
    model.layerwise_training(n_epochs_per_layer=_GREEDY_EPOCHS, batch_size=_BATCH, data=rows)
    _finish(device)
    seconds = time.perf_counter() - started
    x = torch.from_numpy(validation).to(device)
    with torch.no_grad():
        return seconds, _squared_error(model(x), x)


def _our_error(rows: Images, validation: Images, epochs: int, device: torch.device) -> tuple[float, float]:
    """Seconds, and the squared error of a validation image."""
    subject = recipe(
        "sae",
        layers=_GREEDY_LAYERS,
        activation="relu",
        code_activation="linear",
        output_activation="linear",
        loss="squared_error",
        tied_weights=False,
        pretraining={"epochs": epochs, "batch_size": _BATCH},
    )
    stack: Stack = build_stack(subject, (784,))
    started = time.perf_counter()
    inputs, watched = rows, validation
    for index, pair in enumerate(stack.pairs):
        pretrain_layer(
            pair,
            inputs,
            watched,
            objective=layer_objective(subject, index),
            settings=subject.pretraining,
            seed=0,
            layer_index=index,
            device=device,
        )
        codes = [np.empty((len(one), *pair.code_shape), dtype=np.float32) for one in (inputs, watched)]
        for one, out in zip((inputs, watched), codes, strict=True):
            encode_rows(pair, one, out, device)
        inputs, watched = codes
    _finish(device)
    seconds = time.perf_counter() - started
    x = torch.from_numpy(validation).to(device)
    with torch.no_grad():
        return seconds, _squared_error(stack(x), x)


def _squared_error(reconstruction: Tensor, x: Tensor) -> float:
    return float((reconstruction - x).square().sum(1).mean().item())


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
