"""Fetch gzipped files from the first mirror that answers, without long waits where there is no network."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path

import httpx

from flows.steps.datasets.source import Progress
from flows.steps.errors import DownloadError, SourceError
from service.release.atomic import write_atomically

_PROBE_SECONDS = 4.0
_TIMEOUT = httpx.Timeout(15.0, connect=_PROBE_SECONDS)


def download_archives(
    mirrors: Sequence[str], archives: Sequence[tuple[str, str]], folder: Path, on_progress: Progress
) -> None:
    """Put the unpacked content of each archive into `folder`, each file whole or not at all.

    Files that are there already are kept.

    Arguments:
        mirrors: addresses that end in a slash, tried in order.
        archives: (file name ending in .gz, md5 of the archive), as the publisher states them.
        folder: where `name` without `.gz` goes.
        on_progress: called with ("download", bytes of all archives so far, 0).

    Raises:
        SourceError: no mirror answers.
        DownloadError: a mirror answered, and then broke off or sent something else.
        OSError: the disk refused.
    """
    missing = [(name, md5) for name, md5 in archives if not (folder / name.removesuffix(".gz")).is_file()]
    if not missing:
        return
    mirror = _first_that_answers(mirrors, missing[0][0])
    fetched = 0
    for name, md5 in missing:
        archive = _fetch(mirror + name, fetched, on_progress)
        fetched += len(archive)
        found = hashlib.md5(archive, usedforsecurity=False).hexdigest()
        if found != md5:
            raise DownloadError(f"{mirror}{name}: has md5 {found}, expected {md5}")
        try:
            write_atomically(folder / name.removesuffix(".gz"), gzip.decompress(archive))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DownloadError(f"{mirror}{name}: not a whole gzip file") from error


def _first_that_answers(mirrors: Sequence[str], name: str) -> str:
    for mirror in mirrors:
        if _answers(mirror + name):
            return mirror
    raise SourceError(f"not in the data folder, and no mirror answers ({', '.join(mirrors)}): is there a network?")


def _answers(url: str) -> bool:
    answered: list[bool] = []

    def probe() -> None:
        try:
            httpx.head(url, timeout=_PROBE_SECONDS, follow_redirects=True)
        except httpx.HTTPError:
            return
        answered.append(True)

    # In a thread of its own, since looking up a name knows no time limit.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS + 1)
    return bool(answered)


def _fetch(url: str, fetched_before: int, on_progress: Progress) -> bytes:
    content = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as response:
            response.raise_for_status()
            for block in response.iter_raw():
                content += block
                on_progress("download", fetched_before + len(content), 0)
    except httpx.HTTPError as error:
        raise DownloadError(f"{url}: {error}") from error
    return bytes(content)
