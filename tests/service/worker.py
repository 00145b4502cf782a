"""The process that serves, among those of `bentoml serve`, seen from outside."""

from __future__ import annotations

import psutil

from tests.service.processes import Server


def worker_of(server: Server) -> psutil.Process:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return next(child for child in children if "_bentoml_impl.worker.service" in " ".join(child.cmdline()))


def resident_bytes(server: Server) -> int:
    return int(worker_of(server).memory_info().rss)


def connections_of(server: Server) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in worker_of(server).net_connections("tcp"))
