"""Which hosts and addresses may be connected to. Pure, but for the resolver that is handed in.

A host is resolved once, every answer has to be public, and the caller connects to one of the addresses returned
here and resolves nothing again: a name that answers differently the second time gains nothing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from streamer.errors import FetchFailedError, ForbiddenUriError, MissingObjectError

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

#: Host and port to addresses as text. Raises OSError, `socket.gaierror` for names.
Resolver = Callable[[str, int], Sequence[str]]

# IANA special-purpose address registries as of 2026, written out because `ipaddress` differs between patch releases
# of Python. Everything outside 2000::/3 is closed: loopback, mapped and translated IPv4, local and multicast.
_CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
        "168.63.129.16/32",  # Azure's platform endpoint, public by number only
    )
)  # fmt: skip
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
    )
)  # fmt: skip

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST = 253


def resolve_host(host: str, port: int) -> list[str]:
    """Addresses by the system's resolver, in its order of preference."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: IPAddress) -> bool:
    """Whether the address is reachable by everybody and by nobody in particular."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def canonical_host(host: str) -> str | IPAddress:
    """The host as one address or one ASCII name in lower case.

    Raises:
        ForbiddenUriError: neither a name nor an address in its usual spelling; decimal, octal, hexadecimal and
            shortened IPv4 addresses are refused, however they are disguised (poison).
    """
    try:
        if ":" in host:
            if "%" in host:
                raise ForbiddenUriError(f"host {host!r}: an IPv6 zone; only global addresses are fetched")
            return IPv6Address(host)
        # IDNA folds full-width digits and ideographic dots into plain ones, so it comes first.
        name = host.encode("idna").decode("ascii").lower().removesuffix(".") if len(host) <= _MAX_HOST else ""
    except (UnicodeError, AddressValueError) as error:
        raise ForbiddenUriError(f"host {host[:64]!r}: neither a host name nor an IP address") from error
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenUriError(f"host {host[:64]!r}: neither a host name nor an IP address")
    # The rule of browsers (WHATWG URL, "ends in a number"): such a host is an IPv4 address or an error.
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return IPv4Address(name)
    except AddressValueError as error:
        raise ForbiddenUriError(f"host {host!r}: expected an IPv4 address as four decimal numbers") from error


def host_allowed(host: str | IPAddress, patterns: Iterable[str]) -> bool:
    """Whether a canonical host matches one of the patterns `*`, `*.example.com`, `example.com`."""
    name = str(host)
    return any(
        pattern == "*" or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        for pattern in patterns
    )


def vetted_addresses(
    host: str | IPAddress, port: int, *, trusted: Sequence[IPNetwork], resolve: Resolver
) -> list[IPAddress]:
    """The addresses behind a canonical host, all of them allowed, one or more.

    Raises:
        ForbiddenUriError: one of them is neither public nor trusted (poison).
        MissingObjectError: there is no such name (poison).
        FetchFailedError: the name cannot be resolved now (retryable).
    """
    addresses = [host] if not isinstance(host, str) else _resolved(host, port, resolve)
    for address in addresses:
        if not is_public(address) and not any(address in network for network in trusted):
            raise ForbiddenUriError(
                f"host {host} is {address}, which is not public; expected a public address or one of "
                "fetch.trusted_networks"
            )
    return addresses


def _resolved(host: str, port: int, resolve: Resolver) -> list[IPAddress]:
    try:
        answers = resolve(host, port)
        # A zone such as %eth0 is of no use for a public address, and no public address has one.
        addresses = list(dict.fromkeys(ip_address(answer.partition("%")[0]) for answer in answers))
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise MissingObjectError(f"host {host}: there is no such name") from error
        raise FetchFailedError(f"host {host}: cannot be resolved now ({error.strerror})") from error
    except (OSError, ValueError) as error:
        raise FetchFailedError(f"host {host}: cannot be resolved now ({type(error).__name__})") from error
    if not addresses:
        raise FetchFailedError(f"host {host}: the resolver gave no address")
    return addresses
