"""`manifold watch-runs`: finds runs that died, for teams whose workers are started by something else."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from flows.local_server import set_environment
from flows.steps.errors import SettingError
from flows.steps.notices import VARIABLE, check_address
from flows.terminal import console
from service.release.home import Home

_SECONDS = 5.0
Notify = Annotated[str | None, typer.Option(help="Where to tell of it: a web address, mailto://, slack:// ...")]


def watch_runs(notify: Notify = None) -> None:
    """Mark retrainings of this home that died as crashed, so that their slots are free; until you stop it.

    For a Prefect server and workers of your own: `PREFECT_API_URL` names it. `manifold schedule` does this itself.

    Example:

        PREFECT_API_URL=http://prefect:4200/api manifold watch-runs
    """
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        raise SettingError("PREFECT_API_URL: nothing came; expected the address of your Prefect server's API")
    home = Home.from_environment()
    set_environment(home.root)
    use_notice_address(notify)
    from flows.supervision.watching import SERVER_TROUBLES, Watch

    console.print(f"watching the retrainings of {home.root} at {address}")
    looking = Watch(home)
    while True:
        try:
            looking.look()
        except SERVER_TROUBLES as error:
            console.print(f"the server does not answer: {error}")
        time.sleep(_SECONDS)


def use_notice_address(given: str | None) -> None:
    """Take an address for notices, for this process and all that it starts; without, what the environment says stays.

    Raises:
        SettingError: nothing can be sent there.
    """
    if given is not None:
        os.environ[VARIABLE] = given
    if address := os.environ.get(VARIABLE):
        check_address(address)
