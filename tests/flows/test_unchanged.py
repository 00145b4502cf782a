"""Nothing has changed: which release a retraining would only make again."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.steps.recipes import load_recipe
from flows.steps.unchanged import unchanged_release
from service.release.channels import Channels
from service.release.errors import ChannelError
from service.release.home import Home
from service.release.journal import Move
from service.release.manifest import Data
from service.release.store import ReleaseStore
from tests.service.tiny import promote, publish_tiny

RECIPE = load_recipe("sdae")


class House:
    """A home in which releases are made of data."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)

    def publish(self, version: str, data: str, recipe: dict[str, object] | None = None, source: str = "photos") -> None:
        made_by = RECIPE.model_dump(mode="json") | (recipe or {})
        described = Data(source=source, fingerprint=data, rows={"train": 1, "validation": 1, "test": 1})
        publish_tiny(self.home, version, recipe=made_by, changes={"data": described})

    def crown(self, version: str, data: str) -> None:
        self.publish(version, data)
        promote(self.home, version)

    def refuse(self, version: str, data: str) -> None:
        self.publish(version, data)
        Channels(self.home).propose(version, who="a test", why="retrained", verdict="did not pass the gate")

    def unchanged(self, data: str, *settings: str, source: str = "photos", promote: bool = True) -> str | None:
        return unchanged_release(self.home, source, data, load_recipe("sdae", settings), promote=promote)


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "home")
    house.crown("1", "monday")
    return house


def test_the_same_data_and_recipe_as_the_champions_change_nothing(house: House) -> None:
    assert house.unchanged("monday") == "1"
    assert house.unchanged("tuesday") is None


def test_a_recipes_name_changes_nothing_and_every_other_field_does(house: House) -> None:
    assert house.unchanged("monday", "name=other") == "1"
    assert house.unchanged("monday", "seed=1") is None
    assert house.unchanged("monday", "pretraining.epochs=1") is None
    assert house.unchanged("monday", "gate.tolerance=0.5") is None


def test_a_candidate_that_did_not_pass_is_not_made_again(house: House) -> None:
    house.refuse("2", "tuesday")

    assert house.unchanged("tuesday") == "2"
    # The champion's data is back: it is there already.
    assert house.unchanged("monday") == "1"


def test_a_release_that_was_rolled_back_is_not_made_again(house: House) -> None:
    house.crown("2", "tuesday")
    Channels(house.home).rollback(who="a test", why="it was no good")

    assert house.unchanged("tuesday") == "2"


def test_a_source_that_is_put_back_as_it_was_is_learned_from_again(house: House) -> None:
    house.crown("2", "spoilt")

    assert house.unchanged("monday") is None


def test_another_recipe_or_source_in_between_changes_nothing(house: House) -> None:
    house.refuse("2", "tuesday")
    house.publish("3", "wednesday", recipe={"seed": 7})
    house.publish("4", "thursday", source="rows.npy")

    assert house.unchanged("tuesday") == "2"


def test_the_champions_data_under_another_name_is_the_same(house: House) -> None:
    assert house.unchanged("monday", source="moved/photos") == "1"


def test_a_release_that_nobody_has_decided_on_is_made_again_where_it_is_to_be_decided(house: House) -> None:
    """Its run was killed between publication and promotion."""
    house.publish("2", "tuesday")

    assert house.unchanged("tuesday") is None
    assert house.unchanged("tuesday", promote=False) == "2"


def test_a_release_whose_promotion_was_undone_is_made_again(house: House) -> None:
    house.publish("2", "tuesday")

    def fail(move: Move) -> None:
        raise OSError("nobody could be told")

    with pytest.raises(ChannelError, match="undone"):
        Channels(house.home).promote("2", who="a run", why="retrained", verdict="passed", then=fail)

    assert house.unchanged("tuesday") is None


def test_a_damaged_release_is_made_again(house: House) -> None:
    (ReleaseStore(house.home).folder("1") / "decoder.onnx").write_bytes(b"")

    assert house.unchanged("monday") is None


@pytest.mark.parametrize("recipe", [{"kind": "of a later version"}, {"layers": None}])
def test_a_release_whose_recipe_cannot_be_read_does_not_count(
    house: House, recipe: dict[str, object], tmp_path: Path
) -> None:
    house.publish("2", "tuesday", recipe=recipe)

    assert house.unchanged("tuesday") is None


def test_an_empty_home_has_nothing_to_be_unchanged_since(tmp_path: Path) -> None:
    assert House(tmp_path / "empty").unchanged("monday") is None
