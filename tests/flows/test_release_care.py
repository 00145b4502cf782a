"""Lineage, cards, pruning and watching, as a person has them at the command line."""

from __future__ import annotations

import io
import re
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from flows.steps.card import FORMS, Form, render_card
from flows.steps.promotion import promote_release, promote_retrained
from flows.steps.report.picture import Picture
from flows.steps.source_code import source_code
from service.release.channels import Channels
from service.release.errors import ChannelError
from service.release.home import Home
from service.release.manifest import Manifest, SourceCode
from service.release.serving import Observation, Refusal, ServingRecords
from service.release.store import ReleaseStore
from service.release.verdict import Verdict
from tests.conftest import Manifold
from tests.service.tiny import publish_tiny

HOSTILE = '<script>alert(1)</script> [a](http://evil.example) | `b` & "c"\n# d'


class Seen(HTMLParser):
    """What a browser would make of a page: its tags, the addresses it names, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three generations: `first`, its child `second`, and `third`, which did not pass the gate."""
    home = Home(tmp_path_factory.mktemp("family") / "home")
    publish_tiny(home, "first")
    _describe(home, "first", data="data-one", flow_run="run-1", parent="unknown")
    publish_tiny(home, "second", seed=1)
    _describe(home, "second", data="data-two", flow_run="run-2", parent="first")
    publish_tiny(home, "third", seed=2)
    verdict = Verdict(passed=False, champion="second", reasons=("squared_error is worse by 9.1 %",))
    code = SourceCode(package="0.1.0", commit="0123abcd" * 5, changed=True)
    _describe(home, "third", data="data-two", flow_run="run-3", parent="second", gate=verdict, source_code=code)
    Channels(home).promote("first", who="tester", why="the first", verdict="fine")
    Channels(home).promote("second", who="tester", why="better", verdict="fine")
    return home.root


def _describe(home: Home, version: str, *, data: str, **fields: Any) -> None:
    """Publish a tiny release again, with another manifest."""
    store = ReleaseStore(home)
    manifest = store.manifest(version)
    folder = store.folder(version)
    with store.draft() as draft:
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in ("manifest.json", "manifest.sha256", "model.yaml"):
                (draft / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
                (draft / path.relative_to(folder)).write_bytes(path.read_bytes())
        store.remove(version)
        described = manifest.data.model_copy(update={"fingerprint": data})
        store.publish(draft, manifest.model_copy(update={"data": described, **fields}))


def said(manifold_here: Manifold, home: Path, *arguments: str) -> str:
    result = manifold_here("releases", *arguments, home=home)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", ["third", "space-of-third", "space-of-third/depth-1"])
def test_a_version_or_the_space_of_a_vector_tells_where_it_comes_from(
    manifold_here: Manifold, family: Path, name: str
) -> None:
    lines = said(manifold_here, family, "show", "--lineage", name).splitlines()
    assert lines[0] == "third, space space-of-third"
    # A narrow terminal breaks lines.
    text = " ".join(" ".join(lines).replace("│", " ").split())
    assert f"code manifold 0.1.0, commit {'0123abcd' * 5} (changed since)" in text
    assert "data digits, fingerprint data-two" in text
    assert "flow run run-3" in text
    assert "gate not passed: squared_error is worse by 9.1 %" in text
    chain = [line[line.index("parent") :] for line in lines if "parent" in line]
    assert chain == [
        "parent second, space space-of-second: not compared",
        "parent first, space space-of-first: not compared",
        "parent unknown: nothing is known of it here",
    ]


def test_a_lineage_names_the_moves_of_the_release(manifold_here: Manifold, family: Path) -> None:
    assert "promote of second by tester: better" in said(manifold_here, family, "show", "--lineage", "champion")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--data", "data-two"), ["second", "third"]),
        (("--data", "data"), ["first", "second", "third"]),
        (("--flow-run", "run-1"), ["first"]),
        (("--space", "space-of-second/depth-2"), ["second"]),
        (("--data", "data-two", "--flow-run", "run-3"), ["third"]),
        (("--space", "elsewhere"), ["no release is known of it"]),
    ],
)
def test_data_run_and_space_lead_back_to_releases(
    manifold_here: Manifold, family: Path, arguments: tuple[str, ...], found: list[str]
) -> None:
    lines = said(manifold_here, family, "find", *arguments).splitlines()
    assert [line.split("  ")[0] for line in lines] == found


def test_an_unknown_space_is_refused_in_a_line(manifold_here: Manifold, family: Path) -> None:
    result = manifold_here("releases", "show", "--lineage", "0000", home=family)
    assert result.returncode == 1
    assert result.stderr == "error: '0000' is neither a release nor a space that is known here\n"


def test_pruning_says_what_it_would_remove_and_then_removes_it(manifold_here: Manifold, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for version in ("a", "b", "c", "d"):
        publish_tiny(home, version)
    Channels(home).promote("a", who="tester", why="a test", verdict="fine")
    beat = datetime.now(UTC)
    ServingRecords(home).write(
        Observation(worker="w", beat=beat, champion="a", watched_seconds=0, release="b", since=beat)
    )
    options = ("prune", "--keep", "1", "--older-than", "12h")
    assert said(manifold_here, home.root, *options, "--dry-run") == "would remove c\n"
    assert ReleaseStore(home).versions() == ["a", "b", "c", "d"]
    assert said(manifold_here, home.root, *options) == "removed c\n"
    assert ReleaseStore(home).versions() == ["a", "b", "d"]
    assert said(manifold_here, home.root, *options) == "nothing to remove\n"
    assert "prune     c" in said(manifold_here, home.root, "journal")
    assert "no longer in the store" in said(manifold_here, home.root, "find", "--space", "space-of-c")


@pytest.mark.parametrize("wrong", ["soon", "-1", "3 weeks", "1e400", ""])
def test_a_time_that_is_none_is_refused(manifold_here: Manifold, family: Path, wrong: str) -> None:
    result = manifold_here("releases", "prune", f"--older-than={wrong}", home=family)
    assert result.returncode == 2
    assert "30d, 12h, 90m" in result.stderr


def test_watching_rolls_back_what_a_service_could_not_take(manifold_here: Manifold, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for version in ("old", "new"):
        publish_tiny(home, version)
        Channels(home).promote(version, who="tester", why="a test", verdict="fine")
    assert said(manifold_here, home.root, "watch", "--once") == ""
    refused = Refusal(release="new", message="golden code differs", golden=True, tries=1)
    ServingRecords(home).write(
        Observation(
            worker="w", beat=datetime.now(UTC), champion="new", watched_seconds=1, release="old", refused=refused
        )
    )
    assert said(manifold_here, home.root, "watch", "--once").startswith("rollback of old instead of new by probation")
    assert Channels(home).read().champion == "old"
    # A flow run that asks again does not get its way.
    state, told = promote_retrained(home, "new", who="flow run", gate=True)
    assert state.champion == "old"
    assert "failed in its probation" in told


def test_a_promotion_of_which_nobody_could_be_told_is_undone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish_tiny(home, "old")
    publish_tiny(home, "new", seed=1)
    promote_release(home, "old", who="tester", why="the first")

    def fail(_move: object) -> None:
        raise ConnectionError("the chat is away")

    with pytest.raises(ChannelError, match="the chat is away"):
        promote_release(home, "new", who="tester", why="better", notice=fail)
    assert Channels(home).read().champion == "old"
    assert [move.action for move in Channels(home).journal()] == ["promote", "promote", "undo"]


def _hostile(manifest: Manifest) -> Manifest:
    data = manifest.data.model_copy(update={"source": HOSTILE, "label_names": (HOSTILE, "- item", "1. one")})
    verdict = Verdict(passed=True, champion=HOSTILE, reasons=(HOSTILE,))
    return manifest.model_copy(update={"data": data, "gate": verdict, "recipe": {"name": HOSTILE}, "kind": HOSTILE})


@pytest.mark.parametrize("form", FORMS)
def test_a_card_shows_what_came_from_data_and_never_takes_it_for_markup(family: Path, form: Form) -> None:
    manifest = _hostile(ReleaseStore(Home(family)).manifest("third"))
    plain = render_card(ReleaseStore(Home(family)).manifest("third"), [], form)
    card = render_card(manifest, [], form)
    page, calm = (Seen(text if form == "html" else MarkdownIt().enable("table").render(text)) for text in (card, plain))
    assert page.tags == calm.tags
    assert page.addresses == calm.addresses == []
    assert page.text.count('<script>alert(1)</script> [a](http://evil.example) | `b` & "c"') >= 4


@pytest.mark.parametrize("form", FORMS)
def test_a_card_holds_its_pictures_and_names_no_other_place(family: Path, form: Form) -> None:
    png = _png()
    picture = Picture("map", 'Map "of" <codes>', png, "A [map]", "See *this*.", "Somebody 2008")
    card = render_card(ReleaseStore(Home(family)).manifest("third"), [picture], form)
    page = Seen(card if form == "html" else MarkdownIt().enable("table").render(card))
    (address,) = page.addresses
    assert re.match(r"data:image/png;base64,[A-Za-z0-9+/=]+$", address)
    assert 'Map "of" <codes>' in page.text
    assert "See *this*." in page.text


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 10, 10)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_card_of_a_release_of_before_is_made_when_asked_for(
    manifold_here: Manifold, family: Path, tmp_path: Path
) -> None:
    for form in FORMS:
        target = tmp_path / f"card.{form}"
        assert said(manifold_here, family, "card", "third", "-o", str(target)) == f"the card is {target}\n"
        assert "squared_error is worse by 9.1 %" in target.read_text().replace("\\", "")
    result = manifold_here("releases", "card", "third", "-o", "card.pdf", home=family)
    assert (result.returncode, ".html or .md" in result.stderr) == (2, True)


def test_a_trained_release_holds_its_cards_and_the_code_that_made_it(
    manifold_here: Manifold, trained_home: Path, tmp_path: Path
) -> None:
    home = Home(trained_home)
    version = Channels(home).read().champion
    assert version is not None
    manifest = ReleaseStore(home).manifest(version)
    assert manifest.source_code is not None
    assert manifest.source_code.commit == source_code().commit
    assert {"card.html", "card.md"} <= manifest.files.keys()
    page = Seen((home.store / version / "card.html").read_text())
    assert {address[:22] for address in page.addresses} == {"data:image/png;base64,"}
    assert len(page.addresses) == len(list((home.store / version / "figures").glob("*.png")))
    for metric in manifest.metrics:
        assert metric.name.replace("_", " ") in page.text
    target = tmp_path / "mine.md"
    said(manifold_here, trained_home, "card", "-o", str(target))
    assert target.read_bytes() == (home.store / version / "card.md").read_bytes()


def test_the_code_is_known_by_its_commit_only_in_its_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        names = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("")
    (tmp_path / "notes").write_text("somebody's own")
    git("add", "notes")
    git("commit", "-qm", "theirs")
    # In a folder of their repository, and not in it.
    assert source_code(tmp_path).commit is None
    git("add", "flows")
    git("commit", "-qm", "ours")
    assert (source_code(tmp_path).commit, source_code(tmp_path).changed) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "flows" / "__init__.py").write_text("changed = True")
    assert source_code(tmp_path).changed is True
    monkeypatch.setenv("PATH", "")
    assert source_code(tmp_path).commit is None
