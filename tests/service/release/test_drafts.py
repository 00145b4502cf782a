"""What a killed writer left is told from what a living one is writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from service.release.atomic import folder_in_one_step, write_atomically
from service.release.drafts import is_held, remove_abandoned

_WRITER = """
import sys, time
from pathlib import Path
from service.release.drafts import draft_of

final = Path(sys.argv[1])
with draft_of(final, Path.mkdir) as folder, draft_of(final.with_name(final.name + ".checkpoint"), Path.touch) as file:
    (folder / "codes.npy").write_bytes(b"half")
    print(folder.name, file.name, flush=True)
    time.sleep(60)
"""


def test_drafts_are_removed_when_their_writer_is_dead_and_not_before(tmp_path: Path) -> None:
    final = tmp_path / "layer1-a"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(final)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout is not None
        drafts = writer.stdout.readline().split()
        assert len(drafts) == 2
        assert remove_abandoned(final) == []
        assert all(is_held(tmp_path / name) for name in drafts)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    (tmp_path / ".layer10-a.1.b").mkdir()
    assert sorted(remove_abandoned(final)) == sorted(drafts)
    assert [path.name for path in tmp_path.iterdir()] == [".layer10-a.1.b"], "another's is nobody's business here"


def test_a_finished_file_or_folder_is_no_draft(tmp_path: Path) -> None:
    with folder_in_one_step(tmp_path / "layer1-a") as draft:
        (draft / "weights").write_bytes(b"1")
        assert is_held(draft)
    write_atomically(tmp_path / "layer1-a.checkpoint", b"2")
    assert remove_abandoned(tmp_path / "layer1-a") == []
    assert (tmp_path / "layer1-a" / "weights").read_bytes() == b"1"
    assert (tmp_path / "layer1-a.checkpoint").read_bytes() == b"2"
    assert not is_held(tmp_path / "layer1-a")
