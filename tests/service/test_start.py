"""How a server starts: with a champion, without one, or not at all; and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from service.release.home import Home


def test_the_worker_is_quiet_and_light(server: Any, http: httpx.Client) -> None:
    import psutil

    for _ in range(3):
        assert http.get("/v1/models").status_code == 200
    assert "GET /v1/models" not in server.log_text()
    main = psutil.Process(server.process.pid)
    (worker,) = main.children()
    environment = worker.environ()
    assert environment["OTEL_SDK_DISABLED"] == "true"
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    loaded = " ".join(mapped.path for mapped in worker.memory_maps())
    assert "onnxruntime" in loaded
    assert "torch" not in loaded
    assert sum(process.memory_full_info().pss for process in (main, worker)) < 250e6


def test_without_a_champion_it_starts_and_says_which_command_makes_one(
    home: Home,
    start_server: Callable[..., AbstractContextManager[Any]],
    wait_for: Callable[..., httpx.Response],
    publish: Callable[..., Any],
    make_champion: Callable[[Home, str], None],
) -> None:
    with start_server(home, MANIFOLD_DEADLINE_SECONDS="1.5") as server:
        wait_for(server, "/livez", 200)
        for method, path in (("GET", "/readyz"), ("POST", "/v1/embed"), ("POST", "/embed")):
            answer = httpx.request(method, server.url + path, json={"x": []})
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "not_ready"
            assert "`manifold train`" in answer.json()["error"]["message"]
            assert answer.headers["Retry-After"]
        assert httpx.get(server.url + "/v1/models").json()["live"] is None
        assert "`manifold train`" in httpx.get(server.url + "/").text.replace("<code>", "`").replace("</code>", "`")

        publish(home, "born")
        make_champion(home, "born")
        wait_for(server, "/readyz", 200, 5)
        assert httpx.get(server.url + "/v1/models").json()["live"] == "born"

        # A body that never ends is answered too.
        def slowly() -> Any:
            for _ in range(40):
                yield b" "
                time.sleep(0.1)

        answer = httpx.post(
            server.url + "/v1/embed",
            content=slowly(),
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("MANIFOLD_DEVICE", "gpu", "MANIFOLD_DEVICE=gpu: Input should be 'auto', 'cuda' or 'cpu'"),
        ("MANIFOLD_MAX_ROWS", "0", "MANIFOLD_MAX_ROWS=0: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_one_clear_line_and_the_end(
    home: Home, start_server: Callable[..., AbstractContextManager[Any]], setting: str, value: str, words: str
) -> None:
    with start_server(home, **{setting: value}) as server:
        assert server.process.wait(60) == 1
        assert server.log_text().strip() == f"manifold: {words}"


def test_cuda_that_is_not_there_is_one_clear_line_and_the_end(
    home: Home, start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    from service.runtime import resolve_device

    if resolve_device("auto") == "cuda":
        pytest.skip("CUDA is really here")
    with start_server(home, MANIFOLD_DEVICE="cuda") as server:
        assert server.process.wait(60) == 1
        (line,) = server.log_text().strip().splitlines()
        assert line.startswith("manifold: device cuda was asked for, but ONNX Runtime gets none here")


def test_a_plain_bentoml_serve_sends_no_telemetry(
    home: Home,
    start_server: Callable[..., AbstractContextManager[Any]],
    wait_for: Callable[..., httpx.Response],
) -> None:
    # BentoML logs what it would send, instead of sending it, where the second variable is set.
    with start_server(home, BENTOML_DO_NOT_TRACK="", __BENTOML_DEBUG_USAGE="True") as server:
        wait_for(server, "/livez", 200)
    assert "Tracking Payload" not in server.log_text()
