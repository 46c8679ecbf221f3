"""
Address guard: URLs that staff type lead to public servers only.

`check_url` reads an address; `resolve_public` resolves its host once and returns the addresses to
connect to. Both refuse whatever leads into our own network: callers connect to a returned address
and never resolve the name again, so that no second answer of a name server can replace the first.
"""

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import idna
from django.conf import settings
from django.core.exceptions import ValidationError

from config.errors import BadInput

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_REDIRECTS = 5
"""Redirects that are followed for one request; each target is checked like a typed address."""
PORTABLE_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "if-modified-since",
        "if-none-match",
        "user-agent",
    }
)
"""Headers that may be sent to another host after a redirect; all others may be secrets."""
_MAX_URL_LENGTH = 2048
_MAX_HOST_LENGTH = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
# Names that are answered inside a network alone: RFC 6761, 6762, 8375, 9476, ICANN's list of
# collisions, and the names that clouds and container platforms use.
_LOCAL_SUFFIXES = frozenset(
    {
        "alt",
        "arpa",
        "consul",
        "corp",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "mail",
        "onion",
        "private",
        "svc",
    }
)
_LOOPBACK = tuple(ipaddress.ip_network(network) for network in ("127.0.0.0/8", "::1/128"))
# The registries of special-purpose addresses (RFC 6890 and later), without exceptions for the few
# that are reachable: no shop is served from an anycast relay. Metadata services of clouds that
# have addresses outside these ranges are added.
_NOT_PUBLIC_IPV4 = {
    ipaddress.IPv4Network(network): kind
    for network, kind in {
        "0.0.0.0/8": "an unspecified address",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "a shared address of a provider's network",
        "127.0.0.0/8": "a loopback address",
        "168.63.129.16/32": "a metadata service",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "a protocol assignment",
        "192.0.2.0/24": "a documentation address",
        "192.31.196.0/24": "an anycast service of name servers",
        "192.52.193.0/24": "a multicast relay",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "a private address",
        "192.175.48.0/24": "an anycast service of name servers",
        "198.18.0.0/15": "a benchmark address",
        "198.51.100.0/24": "a documentation address",
        "203.0.113.0/24": "a documentation address",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
    }.items()
}
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = {
    ipaddress.IPv6Network(network): kind
    for network, kind in {
        "::/128": "an unspecified address",
        "::1/128": "a loopback address",
        "2001::/32": "a Teredo tunnel",
        "2001:db8::/32": "a documentation address",
        "2001::/23": "a protocol assignment",
        "2002::/16": "a 6to4 tunnel",
        "2620:4f:8000::/48": "an anycast service of name servers",
        "3fff::/20": "a documentation address",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a site-local address",
        "ff00::/8": "a multicast address",
    }.items()
}
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP_INTERFACES = (0x0000_5EFE, 0x0200_5EFE)
_LOW_32_BITS = 0xFFFF_FFFF


class AddressRefused(BadInput):
    """The address leads to something other than a public web server."""

    code = "address_refused"

    def __init__(self, reason: str, field: str = "address") -> None:
        super().__init__(field, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedUrl:
    """An http or https URL whose host is normalized: lower case, ASCII, no trailing dot."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @classmethod
    def from_trusted(cls, url: str) -> "CheckedUrl":
        """Return a URL of the operator's settings as it is. Raises AddressRefused: not a URL."""
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise AddressRefused("is not an http or https URL") from None
        return cls(url=url, scheme=parts.scheme, host=parts.hostname or "", port=port)


def check_url(url: str) -> CheckedUrl:
    """
    Return a typed URL with its host normalized; the name is not resolved.

    Raises AddressRefused: another scheme, credentials, a port that is not allowed, a host that is
    no public name or address, characters that programs read differently.
    """
    if len(url) > _MAX_URL_LENGTH:
        raise AddressRefused(f"is longer than {_MAX_URL_LENGTH} characters")
    if "\\" in url or any(unicodedata.category(letter)[0] in "CZ" for letter in url):
        raise AddressRefused("contains a space, backslash or invisible character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("is not a URL") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressRefused("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise AddressRefused("must not contain a user name or password")
    if not parts.hostname:
        raise AddressRefused("names no host")
    if port == 0:
        raise AddressRefused("has port 0")
    port = port or DEFAULT_PORTS[parts.scheme]
    host = check_host(_written_host(parts))
    # A name may lead to the loopback address, where any port is allowed if that is.
    if not _may_be_loopback(host):
        _check_port(port)
    return CheckedUrl(url=_canonical(parts, host, port), scheme=parts.scheme, host=host, port=port)


def check_source_url(url: str) -> CheckedUrl:
    """
    Check a URL before it is saved: `check_url`, then the addresses that its host has now.

    A host that cannot be resolved now is accepted; each later connection is checked again. Raises
    AddressRefused.
    """
    checked = check_url(url)
    with suppress(OSError):
        resolve_public(checked.host, checked.port)
    return checked


def validate_source_url(url: str) -> None:
    """Check a URL of a form, as `check_source_url`. Raises Django's ValidationError."""
    try:
        check_source_url(url)
    except AddressRefused as error:
        raise ValidationError(error.reason, code=error.code) from error


def check_host(host: str) -> str:
    """
    Return a host as it is resolved: a lower-case ASCII name, or an IP address.

    Names are mapped as browsers do (IDNA with UTS 46). IPv4 addresses are four decimal numbers;
    the decimal, octal, hexadecimal and short forms that some programs also read are refused.
    Raises AddressRefused.
    """
    if ":" in host:
        return _check_ipv6(host)
    name = _to_ascii(host)
    labels = name.split(".")
    if len(name) > _MAX_HOST_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise AddressRefused("has a host that is not a name of the domain name system")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        return _check_ipv4(name)
    if labels[-1] == "localhost":
        if not _is_loopback_allowed():
            raise AddressRefused("names this computer")
        return name
    if len(labels) == 1 or labels[-1] in _LOCAL_SUFFIXES:
        raise AddressRefused(f"has the host {name}, which is a name of a local network")
    return name


def resolve_public(host: str, port: int) -> list[IPAddress]:
    """
    Resolve a host once and return its addresses, in the resolver's order, each without doubles.

    One address that is not public refuses them all: a name server may answer differently each
    time. A connection must use a returned address and not resolve the name again. Blocks while
    resolving. Raises AddressRefused; OSError (socket.gaierror) when the name is unknown.
    """
    name = check_host(host)
    try:
        addresses: list[IPAddress] = [ipaddress.ip_address(name)]
    except ValueError:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))
    is_local_name = name.rpartition(".")[2] == "localhost"
    for address in addresses:
        if is_local_name and not _is_loopback(address):
            raise AddressRefused(f"has the host {name}, which leads to another computer")
        if reason := refusal(address):
            raise AddressRefused(_describe(host, address, reason))
    if not all(map(_is_loopback, addresses)):
        _check_port(port)
    return addresses


def refusal(address: IPAddress) -> str:
    """Return why an address may not be connected to, for example "a private address"; or ""."""
    if _is_loopback(address) and _is_loopback_allowed():
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return _kind_in(_NOT_PUBLIC_IPV4, address)
    return _ipv6_refusal(address)


def may_forward_secrets(source: CheckedUrl, target: CheckedUrl) -> bool:
    """Return whether headers and cookies of `source` may be sent to `target` after a redirect."""
    is_upgrade = (
        source.host == target.host
        and (source.scheme, source.port) == ("http", 80)
        and (target.scheme, target.port) == ("https", 443)
    )
    return source.origin == target.origin or is_upgrade


def _written_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc and ":" not in host:
        raise AddressRefused("has a host in brackets that is no IPv6 address")
    return host


def _canonical(parts: SplitResult, host: str, port: int) -> str:
    netloc = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[parts.scheme]:
        netloc = f"{netloc}:{port}"
    return parts._replace(netloc=netloc, fragment="").geturl()


def _to_ascii(host: str) -> str:
    if "%" in host:
        raise AddressRefused("has a host with a percent sign")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise AddressRefused(
                "has a host that is not a name of the domain name system"
            ) from None
    return host.lower().removesuffix(".")


def _check_ipv4(host: str) -> str:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise AddressRefused(
            "has a number as host; write an IPv4 address as four decimal numbers"
        ) from None
    if reason := refusal(address):
        raise AddressRefused(_describe(host, address, reason))
    return str(address)


def _check_ipv6(host: str) -> str:
    if "%" in host:
        raise AddressRefused("has an IPv6 address with a zone")
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise AddressRefused("has a host that is no IPv6 address") from None
    if reason := refusal(address):
        raise AddressRefused(_describe(host, address, reason))
    return str(address)


def _check_port(port: int) -> None:
    if port not in settings.SOURCE_PORTS:
        raise AddressRefused(f"has port {port}, which the setting SOURCE_PORTS does not allow")


def _describe(host: str, address: IPAddress, reason: str) -> str:
    subject = "is" if host == str(address) else f"leads to {address},"
    return f"{subject} {reason}"


def _ipv6_refusal(address: ipaddress.IPv6Address) -> str:
    if address.scope_id is not None:
        return "an address within one network"
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        if kind := _kind_in(_NOT_PUBLIC_IPV4, embedded):
            return f"{kind} ({embedded}) inside an IPv6 address"
        if address in _MAPPED or address in _NAT64:
            return ""
    if kind := _kind_in(_NOT_PUBLIC_IPV6, address):
        return kind
    # Everything else outside is reserved, translated within a site, or no longer used.
    return "" if address in _GLOBAL_UNICAST else "a reserved address"


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _LOW_32_BITS)
    if address.sixtofour is not None:
        return address.sixtofour
    if (int(address) >> 32) & _LOW_32_BITS in _ISATAP_INTERFACES:
        return ipaddress.IPv4Address(int(address) & _LOW_32_BITS)
    return None


def _kind_in(networks: Mapping[Any, str], address: IPAddress) -> str:
    return next((kind for network, kind in networks.items() if address in network), "")


def _is_loopback(address: IPAddress) -> bool:
    return any(address in network for network in _LOOPBACK)


def _may_be_loopback(host: str) -> bool:
    if not _is_loopback_allowed():
        return False
    try:
        return _is_loopback(ipaddress.ip_address(host))
    except ValueError:
        return True


def _is_loopback_allowed() -> bool:
    return bool(settings.ALLOW_LOOPBACK_SOURCES)
