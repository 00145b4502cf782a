"""Which code makes a release: the package's version, and the commit where it runs from a git checkout."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata
from pathlib import Path

from service.release.manifest import SourceCode

_ROOMS = ("models", "service", "flows")
_SECONDS = 10.0


def source_code(root: Path | None = None) -> SourceCode:
    """What the running code is.

    Args:
        root: the folder of the three rooms; by default where this code lies.
    """
    root = root or Path(__file__).resolve().parents[2]
    package = metadata.version("manifold")
    # Installed inside somebody's own checkout, its folder is in git, and our files are not.
    if _git(root, "ls-files", "--error-unmatch", "--", "flows/__init__.py") is None:
        return SourceCode(package=package)
    changed = _git(root, "status", "--porcelain", "--", *_ROOMS)
    return SourceCode(
        package=package,
        commit=_git(root, "rev-parse", "HEAD"),
        changed=None if changed is None else bool(changed),
    )


def _git(root: Path, *arguments: str) -> str | None:
    """What git says there; None where it says no, or is not there."""
    # Inside a hook of git they name another checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None
