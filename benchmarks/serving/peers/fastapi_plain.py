"""FastAPI with orjson: each request runs alone. The body is read and written past pydantic, which is slower."""

from __future__ import annotations

import os

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from benchmarks.serving.peers.session import PORT, encode, open_encoder

app = FastAPI()
session = open_encoder()


@app.post("/embed")
async def embed(request: Request) -> Response:
    """{"x": rows} -> {"z": codes}. A single row takes less than the hand-over to a thread would."""
    rows = np.array(orjson.loads(await request.body())["x"], np.float32)
    content = orjson.dumps({"z": encode(session, rows)}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.serving.peers.fastapi_plain:app",
        port=PORT,
        workers=int(os.environ["BENCH_WORKERS"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
