"""New rows: drawn from the density, by walkback, or by the Jacobian walk.

A chain says what it wants computed and is sent the answer; whoever drives it decides where that is done. Offline
`run` computes at once; the service sends each ask through its batcher, so that a long chain holds up nobody and ends
with its deadline. Plain numpy: no network's framework is needed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from service.release.manifest import Manifest
from service.release.sampling import SamplingMethod, Walkback
from service.runtime import Floats, Runtime

T = TypeVar("T")


class Ask(NamedTuple):
    """What a chain wants computed.

    do: encode: rows -> codes. decode: codes -> rows. walk: rows and noise, packed -> next rows and codes, packed.
        nearest: rows -> distances to the nearest reference row.
    rows: (batch, ...); what is answered has as many.
    """

    do: Literal["encode", "decode", "walk", "nearest"]
    rows: Floats


Chain = Generator[Ask, Floats, T]


class Drawn(NamedTuple):
    """New rows (count, *shape) in the data's own units, and the codes (count, code size) they were decoded from."""

    x: Floats
    z: Floats


@dataclass(frozen=True)
class Plan:
    """What is drawn.

    method: one that the release has; see `methods_of`.
    count: rows.
    steps: of a chain.
    temperature: density only; what its deviations are multiplied by.
    seed: the same seed gives the same rows.
    """

    method: SamplingMethod
    count: int
    steps: int
    temperature: float
    seed: int


class Units(NamedTuple):
    """Scaled units: (x - shift) / scale, each of shape () or of a row."""

    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]

    def own(self, scaled: float) -> npt.NDArray[np.float32]:
        """A scaled value in the data's own units."""
        value: npt.NDArray[np.float32] = self.shift + self.scale * np.float32(scaled)
        return value


def methods_of(manifest: Manifest) -> tuple[SamplingMethod, ...]:
    """How rows can be drawn from a release; one of before knows its density only."""
    return ("density",) if manifest.sampling is None else manifest.sampling.methods


def default_plan(manifest: Manifest, count: int, seed: int) -> Plan:
    """What is drawn where nothing else is asked for."""
    sampling = manifest.sampling
    if sampling is None:
        return Plan("density", count, 1, 1.0, seed)
    return Plan(sampling.default, count, sampling.steps, 1.0, seed)


def draw(runtime: Runtime, plan: Plan) -> Chain[Drawn]:
    """The chain that a plan describes. Chains start from reference rows, drawn by the seed.

    Raises:
        ValueError: the release has no such method.
    """
    generator = np.random.default_rng(plan.seed)
    sampling, reference = runtime.manifest.sampling, runtime.reference
    if plan.method == "density":
        return _from_density(runtime, plan, generator)
    if sampling is not None and reference is not None:
        # Each once, before any comes twice.
        chosen = np.resize(generator.permutation(len(reference)), plan.count)
        x = reference[chosen].astype(np.float32)
        if plan.method == "walkback" and sampling.walkback is not None:
            return _walkback(x, sampling.walkback, _units(runtime.manifest), plan.steps, generator)
        if plan.method == "jacobian_walk" and sampling.jacobian_walk is not None:
            return _jacobian_walk(x, runtime.manifest.code.size, sampling.jacobian_walk.sigma, plan.steps, generator)
    raise ValueError(f"method {plan.method} came, {' or '.join(methods_of(runtime.manifest))} expected")


def run(runtime: Runtime, chain: Chain[T]) -> T:
    """What a chain comes to, computed here and now.

    Raises:
        ModelRunError: ONNX Runtime failed.
    """
    answer: Floats | None = None
    while True:
        ask = advance(chain, answer)
        if not isinstance(ask, Ask):
            return ask
        match ask.do:
            case "encode":
                answer = runtime.encode(ask.rows)
            case "decode":
                answer = runtime.decode(ask.rows)
            case "walk":
                answer = walk_packed(runtime, ask.rows)
            case "nearest":
                answer = runtime.nearest(ask.rows)


def advance(chain: Chain[T], answer: Floats | None) -> Ask | T:
    """Send a chain its answer, None at first: what it wants next, or what it came to."""
    try:
        return next(chain) if answer is None else chain.send(answer)
    except StopIteration as ended:
        result: T = ended.value
        return result


def walk_packed(runtime: Runtime, packed: Floats) -> Floats:
    """A step of the Jacobian walk on rows and noise side by side, (batch, features + code), and so answered."""
    size = runtime.manifest.code.size
    x, noise = packed[:, :-size], packed[:, -size:]
    return _pack(*runtime.walk(x.reshape(-1, *runtime.manifest.input.shape), noise))


def corrupted(x: Floats, spec: Walkback, units: Units, generator: np.random.Generator) -> Floats:
    """A draw from q(x~|x), as `models.corruption` has it, of rows in the data's own units.

    What is 0 in scaled units is `shift` here, and a deviation of 1 is `scale`.
    """
    if spec.corruption == "gaussian":
        noise = np.float32(spec.level) * units.scale * generator.standard_normal(x.shape, dtype=np.float32)
        return x + noise if spec.share == 1 else x + noise * (generator.random(x.shape) < spec.share)
    uniform = generator.random(x.shape, dtype=np.float32)
    if spec.corruption == "masking":
        return np.where(uniform < spec.level, units.shift, x)
    # One number decides both: below half the level pepper, from there to the level salt.
    x = np.where(uniform < spec.level, units.own(spec.high), x)
    return np.where(uniform < spec.level / 2, units.own(spec.low), x)


def _units(manifest: Manifest) -> Units:
    shift = (0.0,) if manifest.sampling is None else manifest.sampling.shift
    return Units(*(_per_feature(numbers, manifest.input.shape) for numbers in (shift, manifest.input.scale)))


def _per_feature(numbers: tuple[float, ...], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    array = np.asarray(numbers, dtype=np.float32)
    return array.reshape(()) if len(numbers) == 1 else array.reshape(shape)


def _from_density(runtime: Runtime, plan: Plan, generator: np.random.Generator) -> Chain[Drawn]:
    z = runtime.density.draw(plan.count, generator, plan.temperature)
    x = yield Ask("decode", z)
    return Drawn(x, z)


def _walkback(x: Floats, spec: Walkback, units: Units, steps: int, generator: np.random.Generator) -> Chain[Drawn]:
    """Corrupt and reconstruct in turn (Bengio et al. 2013)."""
    z = np.empty(0, np.float32)
    for _ in range(steps):
        z = yield Ask("encode", corrupted(x, spec, units, generator))
        x = yield Ask("decode", z)
    return Drawn(x, z)


def _jacobian_walk(x: Floats, code_size: int, sigma: float, steps: int, generator: np.random.Generator) -> Chain[Drawn]:
    """h + J Jᵀ ε, decode, encode again (Rifai et al. 2012)."""
    shape, z = x.shape, np.empty(0, np.float32)
    for _ in range(steps):
        noise = np.float32(sigma) * generator.standard_normal((len(x), code_size), dtype=np.float32)
        packed = yield Ask("walk", _pack(x, noise))
        x, z = packed[:, :-code_size].reshape(shape), packed[:, -code_size:]
    return Drawn(np.ascontiguousarray(x), np.ascontiguousarray(z))


def _pack(rows: npt.NDArray[Any], codes: npt.NDArray[Any]) -> Floats:
    return np.concatenate([rows.reshape(len(rows), -1), codes], axis=1, dtype=np.float32)
