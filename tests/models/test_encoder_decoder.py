"""The modules that are exported, in the data's own units, and their ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from models.encoder_decoder import Decoder, Encoder
from models.errors import ShapeError
from models.preprocessing import Preprocessing, build_preprocessing
from models.recipe import parse_recipe
from models.stack import build_stack

Mapping = Callable[..., dict[str, Any]]
RESIZED = [
    {"kind": "convolution", "channels": 3, "kernel_size": 4, "up": "resize"},
    {"kind": "convolution", "channels": 2, "kernel_size": 3, "stride": 3, "up": "resize"},
]
CONVOLUTIONS = [{"kind": "convolution", "channels": 3}, {"kind": "convolution", "channels": 2}, 4]


def modules(mapping: dict[str, Any], shape: tuple[int, ...]) -> tuple[Encoder, Decoder]:
    recipe = parse_recipe(mapping)
    preprocessing = build_preprocessing(
        recipe, shape, minimum=[0.0], maximum=[255.0], mean=[100.0], standard_deviation=[50.0]
    )
    stack = build_stack(recipe, shape)
    return Encoder(preprocessing, stack).eval(), Decoder(preprocessing, stack).eval()


def exported(module: torch.nn.Module, inputs: Tensor, path: Path) -> onnxruntime.InferenceSession:
    """A session on the module's ONNX, exported as the release does it."""
    torch.onnx.export(
        module,
        (inputs[:2],),
        path,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def rows_of(shape: tuple[int, ...], rows: int = 7) -> Tensor:
    return torch.rand((rows, *shape), generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize(
    ("layers", "shape", "tied"),
    [
        ([9, 4], (5,), False),
        ([9, 4], (6, 5, 3), True),
        (CONVOLUTIONS, (9, 10), True),
        (CONVOLUTIONS, (9, 10, 3), False),
        (CONVOLUTIONS, (1, 11, 2), False),
        ([*RESIZED, 4], (13, 8, 4), False),
    ],
)
def test_the_exported_onnx_gives_what_torch_gives_at_any_batch(
    recipe_mapping: Mapping, tmp_path: Path, layers: list[Any], shape: tuple[int, ...], tied: bool
) -> None:
    encoder, decoder = modules(recipe_mapping(layers=layers, tied_weights=tied), shape)
    x = rows_of(shape)
    z = encoder(x)[0].detach()
    for module, inputs in ((encoder, x), (decoder, z)):
        path = tmp_path / "module.onnx"
        session = exported(module, inputs, path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["module.onnx"]
        name = session.get_inputs()[0].name
        for batch in (1, 7):
            expected = module(inputs[:batch])
            expected = expected if isinstance(expected, tuple) else (expected,)
            answers = session.run(None, {name: inputs[:batch].numpy()})
            for answer, wanted in zip(answers, expected, strict=True):
                assert answer.shape == wanted.shape
                np.testing.assert_allclose(answer, wanted.detach().numpy(), rtol=0, atol=1e-4)


def test_the_encoder_gives_the_bottleneck_first_then_inner_codes_upwards(recipe_mapping: Mapping) -> None:
    encoder, decoder = modules(recipe_mapping(layers=CONVOLUTIONS), (9, 10, 3))
    codes = encoder(rows_of((9, 10, 3)))
    assert [code.shape for code in codes] == [(7, 4), (7, 3 * 5 * 5), (7, 2 * 3 * 3)]
    assert decoder(codes[0]).shape == (7, 9, 10, 3)


@pytest.mark.parametrize("layers", [[4], CONVOLUTIONS])
@pytest.mark.parametrize("scaling", ["range", "standard"])
@pytest.mark.parametrize("shape", [(9, 10), (9, 10, 3)])
def test_preprocessing_comes_back_to_the_datas_own_units(
    recipe_mapping: Mapping, layers: list[Any], scaling: str, shape: tuple[int, ...]
) -> None:
    mapping = recipe_mapping(layers=layers, scaling=scaling, output_activation="linear")
    preprocessing = modules(mapping, shape)[0].preprocessing
    x = rows_of(shape)
    scaled = preprocessing(x)
    assert scaled.shape == (7, *preprocessing.scaled_shape)
    torch.testing.assert_close(preprocessing.inverse(scaled), x, rtol=0, atol=1e-4)
    low, high = (0.0, 1.0) if scaling == "range" else (-2.0, 3.1)
    assert low <= float(scaled.min()) < float(scaled.max()) <= high


def test_a_colour_images_channels_are_not_mixed_up(recipe_mapping: Mapping) -> None:
    preprocessing = modules(recipe_mapping(layers=CONVOLUTIONS), (9, 10, 3))[0].preprocessing
    x = rows_of((9, 10, 3))
    torch.testing.assert_close(preprocessing(x)[:, 1] * 255, x[..., 1])


def test_a_table_is_scaled_column_by_column_and_a_constant_one_only_shifted(recipe_mapping: Mapping) -> None:
    x = torch.tensor([[1.0, 10.0, 5.0], [3.0, 30.0, 5.0]])
    mapping = recipe_mapping(output_activation="linear")
    expected = {"range": [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]], "standard": [[-1.0, -1.0, 0.0], [1.0, 1.0, 0.0]]}
    for scaling, wanted in expected.items():
        preprocessing = build_preprocessing(
            parse_recipe({**mapping, "scaling": scaling}),
            (3,),
            minimum=[1.0, 10.0, 5.0],
            maximum=[3.0, 30.0, 5.0],
            mean=[2.0, 20.0, 5.0],
            standard_deviation=[1.0, 10.0, 0.0],
        )
        assert preprocessing(x).tolist() == wanted
        torch.testing.assert_close(preprocessing.inverse(preprocessing(x)), x)


def test_statistics_for_another_number_of_columns_are_refused(recipe_mapping: Mapping) -> None:
    two = [0.0, 1.0]
    with pytest.raises(ShapeError, match="2 numbers came"):
        build_preprocessing(
            parse_recipe(recipe_mapping()), (3,), minimum=two, maximum=two, mean=two, standard_deviation=two
        )


def test_shift_and_scale_travel_with_the_state(recipe_mapping: Mapping) -> None:
    preprocessing = modules(recipe_mapping(), (3,))[0].preprocessing
    other = Preprocessing((3,), (3,), torch.tensor(0.0), torch.tensor(1.0))
    other.load_state_dict(preprocessing.state_dict())
    assert float(other.scale) == 255
