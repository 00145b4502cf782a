"""What the command line imports before it has set what Prefect and torch read when they are imported."""

from __future__ import annotations

import subprocess
import sys

import httpx


def test_the_command_line_starts_without_the_large_libraries() -> None:
    large = ("prefect", "torch", "bentoml", "onnxruntime", "sklearn")
    script = f"import sys, flows.command_line, flows.train_command; print(*sys.modules.keys() & set({large}))"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert started.stdout.split() == []


def test_prefects_page_asks_the_server_that_serves_it(prefect_api: str) -> None:
    settings = httpx.get(f"{prefect_api.removesuffix('/api')}/ui-settings").raise_for_status().json()
    assert settings["api_url"] == prefect_api
