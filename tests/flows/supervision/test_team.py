"""What docs/retraining.md says for teams: PostgreSQL, prefect.yaml, a work pool and a worker, all real."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from flows.local_server import prefect_server
from service.release.channels import Channels
from service.release.home import Home
from tests.conftest import environment, free_port, postgresql_program

ROOT = Path(__file__).parent.parent.parent.parent


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Debian's PostgreSQL in its own folder and port, as a user without rights; the address of its database."""
    folder.mkdir()
    account = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    shutil.chown(folder, account.pw_uid, account.pw_gid)
    # It refuses to be root.
    other = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    for parent in folder.parents:
        if os.getuid() == 0 and parent.owner() == "root" and parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    made = [postgresql_program("initdb"), "-D", folder / "data", "-A", "trust", "-U", "manifold", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder, **other)  # type: ignore[call-overload]
    port = free_port()
    command = [postgresql_program("postgres"), "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder, **other)  # type: ignore[call-overload]
    try:
        yield f"postgresql+asyncpg://manifold@127.0.0.1:{port}/postgres"
    finally:
        # At once, without waiting for its clients.
        server.send_signal(signal.SIGINT)
        server.wait(30)


@pytest.mark.needs("postgresql")
def test_a_worker_retrains_from_prefect_yaml_on_a_server_with_postgresql(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    # As a team would: their own source and a recipe of their own, here one that trains in a second.
    quick = {"epochs": 1, "minimum_steps": 0}
    dense = [{"kind": "dense", "width": width} for width in (16, 8)]
    (deployment,) = deployed["deployments"]
    deployment["parameters"]["recipe"] |= {"layers": dense, "pretraining": quick, "fine_tuning": quick}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(deployed))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect-home"))
    with postgresql(tmp_path / "database") as database:
        monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", database)
        with prefect_server(tmp_path) as address:
            theirs = environment(home, address) | {"MANIFOLD_SOURCE": str(photos)}

            def prefect(*arguments: str) -> None:
                command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
                result = subprocess.run(
                    command, env=theirs, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
                )
                assert result.returncode == 0, result.stdout + result.stderr

            prefect("work-pool", "create", "manifold", "--type", "process")
            prefect("deploy", "--all")
            prefect("deployment", "run", "retrain/nightly")
            prefect("worker", "start", "--pool", "manifold", "--type", "process", "--run-once")
    champion = Channels(Home(home)).read().champion
    assert champion is not None
    assert [move.release for move in Channels(Home(home)).journal()] == [champion]
