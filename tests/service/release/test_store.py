from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import bentoml
import pytest
from bentoml._internal.models import ModelStore

from service.release.errors import IntegrityError, ManifestError, PublishError, UnknownReleaseError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore

from .conftest import manifest_of

Publish = Callable[[str], Path]


def test_a_published_release_lists_the_digest_of_every_file(publish: Publish) -> None:
    manifest = verify_release(publish("1"))
    assert set(manifest.files) == {"encoder.onnx", "golden/x.npy", "model.yaml"}


def test_bentoml_itself_finds_a_published_release(publish: Publish, home: Home) -> None:
    folder = publish("1")
    found = bentoml.models.get("autoencoder:latest", _model_store=ModelStore(home.bentoml / "models"))
    assert Path(found.path) == folder
    assert found.info.labels == {"kind": "ae", "space": "space-1"}


@pytest.mark.parametrize("name", ["encoder.onnx", "golden/x.npy", "model.yaml"])
def test_a_flipped_byte_is_found_and_the_file_is_named(publish: Publish, name: str) -> None:
    folder = publish("1")
    content = bytearray((folder / name).read_bytes())
    content[3] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match=name):
        verify_release(folder)


def test_a_flipped_byte_in_the_manifest_is_found(publish: Publish) -> None:
    folder = publish("1")
    content = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(content.replace('"space-1"', '"space-2"'))
    with pytest.raises(ManifestError, match="sha256"):
        verify_release(folder)


def test_a_missing_file_is_found(publish: Publish) -> None:
    folder = publish("1")
    (folder / "encoder.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"encoder\.onnx is missing"):
        verify_release(folder)


def test_a_file_too_many_is_found(publish: Publish) -> None:
    folder = publish("1")
    (folder / "extra.py").write_text("print()")
    with pytest.raises(IntegrityError, match=r"extra\.py is not listed"):
        verify_release(folder)


def test_a_link_in_a_release_is_refused(publish: Publish) -> None:
    folder = publish("1")
    (folder / "encoder.onnx").unlink()
    (folder / "encoder.onnx").symlink_to(folder / "model.yaml")
    with pytest.raises(IntegrityError, match="not a plain file"):
        verify_release(folder)


def test_a_release_under_another_name_is_refused(publish: Publish, home: Home) -> None:
    publish("1").rename(home.store / "2")
    with pytest.raises(IntegrityError, match="its manifest is that of 1"):
        verify_release(home.store / "2")


def test_a_failed_draft_leaves_nothing(home: Home) -> None:
    store = ReleaseStore(home)

    def fill_the_disk() -> None:
        with store.draft() as draft:
            (draft / "encoder.onnx").write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(PublishError, match="nothing of it is left"):
        fill_the_disk()
    assert store.versions() == []
    assert list(home.staging.iterdir()) == []


def test_a_version_is_never_published_over(publish: Publish, home: Home) -> None:
    before = (publish("1") / "manifest.json").read_bytes()
    store = ReleaseStore(home)
    with store.draft() as draft:
        (draft / "encoder.onnx").write_bytes(b"another")
        with pytest.raises(PublishError, match="exists already"):
            store.publish(draft, manifest_of("1"))
    assert (store.folder("1") / "manifest.json").read_bytes() == before


def test_an_unknown_version_names_those_there_are(publish: Publish, home: Home) -> None:
    publish("1")
    with pytest.raises(UnknownReleaseError, match="there are: 1"):
        ReleaseStore(home).folder("../1")


def test_a_removed_release_is_gone(publish: Publish, home: Home) -> None:
    publish("1")
    publish("2")
    ReleaseStore(home).remove("1")
    assert ReleaseStore(home).versions() == ["2"]


def test_what_a_killed_publisher_left_is_swept_by_the_next(home: Home) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from service.release.home import Home
        from service.release.store import ReleaseStore
        with ReleaseStore(Home(Path(sys.argv[1]))).draft() as draft:
            (draft / "encoder.onnx").write_bytes(b"half")
            os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(home.root)], check=False)
    assert len(list(home.staging.iterdir())) == 1
    store = ReleaseStore(home)
    assert store.versions() == []
    with store.draft() as draft:
        assert list(home.staging.iterdir()) == [draft]
