"""A method that is written once, for clients that wait and for clients that are awaited."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from service.client.wire import Plan

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(ABC):
    """A client whose methods return what they ask for."""

    @abstractmethod
    def run(self, plan: Plan[T]) -> T:
        """Do what the plan says, and return what it returns."""


class Awaited(ABC):
    """A client whose methods are awaited."""

    @abstractmethod
    async def run(self, plan: Plan[T]) -> T:
        """Do what the plan says, and return what it returns."""


class Method(Generic[P, T]):
    """Makes a method of a plan: called on a client, it runs there. Its arguments and its help are the plan's."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Plan[T]]) -> None:
        self._plan = plan

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Plan[T]]: ...

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, client: Awaited, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, client: Blocking | Awaited | None, owner: type) -> Callable[..., Any]:
        if client is None:
            return self._plan

        def call(*arguments: P.args, **named: P.kwargs) -> Any:
            return client.run(self._plan(client, *arguments, **named))

        return functools.update_wrapper(call, MethodType(self._plan, client))
