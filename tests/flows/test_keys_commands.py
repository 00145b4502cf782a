"""`manifold keys`, as somebody types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.command_line import app
from service.keys.key_file import KeyFile, KeyFileError
from service.release.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MANIFOLD_HOME", str(tmp_path))
    return Home(tmp_path)


def run(*words: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["keys", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(home: Home) -> None:
    assert "no keys yet" in run("list")[0]
    secret, told = run("new", "--scope", "infer", "--scope", "metrics", "--name", "dash[board]", "--days", "90")
    secret = secret.removesuffix("\n")
    assert secret.isprintable()
    (key,) = KeyFile(home).read() or ()
    assert key.id in told
    assert key.id in secret
    assert key.scopes == ("infer", "metrics")
    assert key.expires is not None
    assert (key.expires - key.created).days == 90
    listed = run("list")[0]
    assert key.id in listed
    assert "dash[board]" in listed
    assert secret[18:] not in listed + told + home.keys.read_text()
    assert "shut until there is one" in run("revoke", key.id)[0].replace("\n", " ")
    assert KeyFile(home).read() == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("new", "--scope", "all", "--name", "x"), "one of infer, admin, metrics expected"),
        (("new", "--scope", "infer", "--name", "x\ny"), "name: "),
        (("revoke", "00000000"), "there is no key 00000000"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_makes_no_key(home: Home, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(KeyFileError, match=told):
        run(*words)
    assert not KeyFile(home).read()
