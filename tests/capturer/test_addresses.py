"""Which addresses a capture may contact: the list against the standard library's opinion."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.addresses import Address, find_refusal, is_own


def _nobodys(address: Address) -> bool:
    del address
    return False


def _refusal(text: str, *allowed: str) -> str | None:
    networks = [ipaddress.ip_network(one) for one in allowed]
    return find_refusal(ipaddress.ip_address(text), networks, _nobodys)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "this-network"),  # noqa: S104 (an address that is refused)
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-nat"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "protocol-assignments"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("224.0.0.251", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "ipv4-mapped"),
        ("::ffff:8.8.8.8", "ipv4-mapped"),
        ("::127.0.0.1", "ipv4-compatible"),
        ("64:ff9b::7f00:1", "nat64"),
        ("64:ff9b:1::a00:1", "nat64"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:1::", "teredo"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "not-global-unicast"),
    ],
)
def test_refused(address: str, reason: str) -> None:
    assert _refusal(address) == reason


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_the_public_internet_is_open(address: str) -> None:
    assert _refusal(address) is None


@given(st.ip_addresses(v=4))
def test_whatever_the_library_calls_not_global_is_refused(address: Address) -> None:
    if not address.is_global:
        assert find_refusal(address, [], _nobodys) is not None


@given(st.ip_addresses(v=6))
def test_the_same_for_ipv6(address: Address) -> None:
    if not address.is_global or address not in ipaddress.ip_network("2000::/3"):
        assert find_refusal(address, [], _nobodys) is not None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_hides_in_ipv6(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for network in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"):
        hidden = ipaddress.ip_network(network)[number]
        assert find_refusal(hidden, [], _nobodys) is not None
    assert find_refusal(ipaddress.IPv6Address(0x2002 << 112 | number << 80), [], _nobodys)


def test_an_allowance_covers_its_network_and_nothing_else() -> None:
    assert _refusal("10.1.2.3", "10.0.0.0/8") is None
    assert _refusal("10.1.2.3", "10.0.0.0/16") == "private"
    assert _refusal("::ffff:10.1.2.3", "10.0.0.0/8") == "ipv4-mapped"
    assert _refusal("::1", "127.0.0.0/8") == "loopback"


def test_our_own_public_address_is_ours_too() -> None:
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("1.1.1.1"))
    refusal = find_refusal(ipaddress.ip_address("1.1.1.1"), [], lambda address: True)
    assert refusal == "own-address"
