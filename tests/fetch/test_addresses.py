"""The guard: which hosts and addresses may be connected to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import FetchFailedError, ForbiddenUriError, MissingObjectError
from streamer.fetch.addresses import canonical_host, host_allowed, is_public, vetted_addresses

PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888")
CLOSED = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808",
    "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1",
    "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "5f00::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", CLOSED)
def test_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.ip_addresses())
def test_never_more_open_than_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not (address.is_multicast or address.is_private or address.is_loopback or address.is_link_local)
        assert not (address.is_reserved or address.is_unspecified)


@given(st.ip_addresses(v=4))
def test_no_ipv6_clothing_makes_an_ipv4_address_public(address: IPv4Address) -> None:
    number = int(address)
    clothed = (
        number,
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),
        (0xFE80 << 112) | number,
    )
    assert not any(is_public(IPv6Address(number)) for number in clothed)


def _spellings(address: IPv4Address) -> list[str]:
    a, b, c, d = address.packed
    number = int(address)
    return [
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a}.{(b << 16) | (c << 8) | d}",
        f"{a}.{b}.{(c << 8) | d}",
        ".".join(f"0{octet:o}" for octet in address.packed),
        ".".join(f"{octet:#x}" for octet in address.packed),
        ".".join(f"{octet:03d}" for octet in address.packed),
        f"{a:#X}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d:#o}".replace("0o", "0"),
        f"{a}.{b}.{c}.{d}.",
        f"{a}。{b}。{c}。{d}",
        "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in str(address)),
        "".join(chr(0x2460 + int(sign) - 1) if sign in "123456789" else sign for sign in str(address)),
        f"{a}.{b}.{c}.{d}%00",
        f"{a}.{b}.{c}.{d}@{a}",
        f"{a}.{b}.{c}.{d + 256}",
        f"{a}..{b}.{c}.{d}",
        f".{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.{d}",
        f" {address}",
        f"{address}\t",
        f"{a}.{b}.{c}.{d}e0",
        f"0x{a:x}.0x",
    ]


@given(st.ip_addresses(v=4))
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("169.254.169.254"))
@example(IPv4Address("0.0.0.0"))
def test_odd_spellings_mean_the_plain_address_or_nothing(address: IPv4Address) -> None:
    """Whatever a resolver would make of them, they never get that far as names."""
    for spelling in _spellings(address):
        try:
            host = canonical_host(spelling)
        except ForbiddenUriError:
            continue
        if isinstance(host, str):  # a name of letters, which no resolver takes for a number
            assert host.rpartition(".")[2].endswith("e0")
        else:
            assert host == address


@given(st.text(max_size=80) | st.from_regex(r"[0-9a-fxX.:%\[\]]{1,30}", fullmatch=True))
def test_any_text_is_a_host_or_forbidden(text: str) -> None:
    try:
        host = canonical_host(text)
    except ForbiddenUriError:
        return
    if isinstance(host, str):
        assert host.isascii() and host == host.lower() and canonical_host(host) == host
        with pytest.raises(OSError, match="illegal"):
            socket.inet_aton(host)


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_bucket.s3.example", "my_bucket.s3.example"),
        ("3.example.com", "3.example.com"),
        ("2606:4700::1111", IPv6Address("2606:4700::1111")),
    ],
)
def test_canonical(host: str, canonical: object) -> None:
    assert canonical_host(host) == canonical


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "-a.example", "a b", "a/b", "℀.example", "fe80::1%eth0", "2606::1%0", "a" * 64, "a." * 200,
     "0x", "1", "256.1.1.1", "1.2.3", "example.0x7f", "::g", "a:b"],
)  # fmt: skip
def test_no_host(host: str) -> None:
    with pytest.raises(ForbiddenUriError):
        canonical_host(host)


def test_host_patterns() -> None:
    assert host_allowed("cdn.example.com", ["*.example.com"])
    assert not host_allowed("example.com", ["*.example.com"])
    assert not host_allowed("evilexample.com", ["*.example.com"])
    assert host_allowed("example.com", ["other", "example.com"])
    assert host_allowed(IPv4Address("1.1.1.1"), ["*"])
    assert not host_allowed("example.com", [])


def _vet(*answers: str, trusted: str | None = None) -> list[str]:
    networks = [ip_network(trusted)] if trusted else []
    found = vetted_addresses("h.example", 443, trusted=networks, resolve=lambda host, port: answers)
    return [str(address) for address in found]


def test_all_answers_have_to_be_public() -> None:
    assert _vet("1.1.1.1", "2606:4700::1111", "1.1.1.1") == ["1.1.1.1", "2606:4700::1111"]
    for bad in CLOSED:
        with pytest.raises(ForbiddenUriError, match=r"not public; expected .*trusted_networks"):
            _vet("1.1.1.1", bad)


def test_trusted_networks_are_exceptions() -> None:
    assert _vet("10.1.2.3", trusted="10.1.0.0/16") == ["10.1.2.3"]
    with pytest.raises(ForbiddenUriError):
        _vet("10.1.2.3", "10.2.0.1", trusted="10.1.0.0/16")
    with pytest.raises(ForbiddenUriError):
        _vet("::ffff:10.1.2.3", trusted="10.1.0.0/16")


def test_literal_addresses_are_not_resolved() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise AssertionError("asked the resolver")

    assert vetted_addresses(IPv4Address("1.1.1.1"), 443, trusted=[], resolve=resolve) == [IPv4Address("1.1.1.1")]
    with pytest.raises(ForbiddenUriError):
        vetted_addresses(IPv4Address("127.0.0.1"), 443, trusted=[], resolve=resolve)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), MissingObjectError),
        (socket.gaierror(socket.EAI_AGAIN, "later"), FetchFailedError),
        (socket.gaierror(socket.EAI_FAIL, "broken"), FetchFailedError),
        (OSError("what"), FetchFailedError),
        (UnicodeError("label too long"), FetchFailedError),
    ],
)
def test_resolver_failures(failure: Exception, expected: type[Exception]) -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise failure

    with pytest.raises(expected, match=r"h\.example"):
        vetted_addresses("h.example", 443, trusted=[], resolve=resolve)
    with pytest.raises(FetchFailedError, match="no address"):
        _vet()
