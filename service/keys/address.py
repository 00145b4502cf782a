"""Where a service may listen: without keys to its own machine only, unless it is told to be open to all."""

from __future__ import annotations

import functools
import ipaddress

from service.keys.key_file import KeyFile
from service.settings import Settings, SettingsError, read_settings


class OpenAddressError(Exception):
    """The service would answer whoever reaches it; the message is one line that says what to do."""


def refuse_open_address(host: str, settings: Settings) -> None:
    """Do nothing, if a service with these settings may listen at `host`.

    Raises:
        OpenAddressError: others than this machine could reach it, and there are no keys.
        KeyFileError: there are, but they cannot be read.
    """
    if KeyFile(settings.at).read() is None and not settings.open_to_all and not is_loopback(host):
        raise OpenAddressError(
            f"--host {host}: whoever reaches this address could use the service, since {settings.home} holds no keys; "
            "make one with `manifold keys new`, or listen at --host 127.0.0.1, or set MANIFOLD_OPEN_TO_ALL=true"
        )


def refuse_open_address_early(host: str) -> None:
    """The same, with this process's settings: for who is about to start a service. Raises as it does."""
    try:
        settings = read_settings()
    except SettingsError:
        # The service says so itself, as soon as it starts.
        return
    refuse_open_address(host, settings)


@functools.lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. Names are not looked up: none but `localhost` is."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
