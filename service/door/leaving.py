"""A client that leaves while its rows wait is noticed, and its request given up: nobody would read the answer.

Listening costs a task. Most requests are answered before it would be worth one, so it begins after a moment.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.types import Message, Receive

# Seconds that a request may take before its client is listened to.
_MOMENT: Final = 0.1


class Leaving:
    """Listens, after a moment, for a client's leaving, and cancels the task that answers it.

    Args:
        receive: the server's.

    Attributes:
        left: whether the task was cancelled because the client has left.
    """

    __slots__ = ("_complete", "_due", "_listener", "_moment", "_receive", "_task", "left")

    def __init__(self, receive: Receive) -> None:
        self.left = False
        self._receive = receive
        self._complete = False
        self._due = False
        self._listener: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._moment = asyncio.get_running_loop().call_later(_MOMENT, self._begin)

    async def receive(self) -> Message:
        """The server's next message. Who reads the body hears of a client that leaves meanwhile; we listen after."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._complete = True
            if self._due:
                self._listen()
        return message

    def end(self) -> None:
        """Stop listening: the answer begins, or the request is over."""
        self._task = None
        self._moment.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _begin(self) -> None:
        self._due = True
        if self._complete:
            self._listen()

    def _listen(self) -> None:
        if self._listener is None and self._task is not None:
            self._listener = asyncio.create_task(self._until_it_leaves())

    async def _until_it_leaves(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.left = True
            self._task.cancel()
