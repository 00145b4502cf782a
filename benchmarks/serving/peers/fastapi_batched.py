"""FastAPI with orjson and a micro-batcher without a timer: what waits while the runtime runs is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from benchmarks.serving.peers.session import PORT, encode, open_encoder

_BATCH_ROWS = 1024
Job = tuple[np.ndarray[Any, Any], "asyncio.Future[np.ndarray[Any, Any]]"]

session = open_encoder()
queue: asyncio.Queue[Job] = asyncio.Queue()


async def run_batches() -> None:
    """For ever: all that waits, one run in a thread, and each its part."""
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    while True:
        jobs = [await queue.get()]
        count = len(jobs[0][0])
        while not queue.empty() and count < _BATCH_ROWS:
            jobs.append(queue.get_nowait())
            count += len(jobs[-1][0])
        rows = jobs[0][0] if len(jobs) == 1 else np.concatenate([job[0] for job in jobs])
        codes = await loop.run_in_executor(thread, encode, session, rows)
        start = 0
        for given, answer in jobs:
            if not answer.done():
                answer.set_result(codes[start : start + len(given)])
            start += len(given)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """The batcher lives as long as the application."""
    batches = asyncio.create_task(run_batches())
    yield
    batches.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/embed")
async def embed(request: Request) -> Response:
    """{"x": rows} -> {"z": codes}."""
    rows = np.array(orjson.loads(await request.body())["x"], np.float32)
    answer: asyncio.Future[np.ndarray[Any, Any]] = asyncio.get_running_loop().create_future()
    queue.put_nowait((rows, answer))
    content = orjson.dumps({"z": await answer}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="warning")
