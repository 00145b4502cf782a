"""How the service is started: its command line and its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from service.release.home import Home


def serving_command(host: str, port: int) -> list[str]:
    """The command line that serves the champion."""
    root = str(Path(__file__).resolve().parent.parent)
    where = ["--host", host, "--port", str(port), "--working-dir", root]
    return [sys.executable, "-m", "bentoml", "serve", "service.service:Manifold", *where]


def serving_environment(home: Home) -> dict[str, str]:
    """What the service reads: this home, by an absolute path; and no telemetry."""
    return os.environ | {
        "MANIFOLD_HOME": str(home.root),
        "BENTOML_HOME": str(home.bentoml),
        "BENTOML_DO_NOT_TRACK": "True",
    }
