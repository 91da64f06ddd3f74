"""Requests to addresses that others gave us: webhooks and media (RELIABILITY.md T10).

Only https on port 443, or what `OUTBOUND_ALLOWED` lists as "host:port" (which may also be http, and private). The name
is resolved once, every address it has must be public, and the connection goes to that very address, so a name that
changes its mind meanwhile leads nowhere. Redirects are not followed; connecting, the whole request and the size of the
response are bounded.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

CONNECT_SECONDS = 5.0
USER_AGENT = "Touchstone"
#: Blocks that Python calls global but that lead to other addresses: NAT64, 6to4 and its relays, Teredo.
TUNNELS = [
    ipaddress.ip_network(block)
    for block in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24")
]


class NotSent(Exception):
    """The request was not made, or not finished; the sentence says why. `is_final`: trying again will not help."""

    def __init__(self, sentence: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(sentence)


@dataclass(frozen=True)
class Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_listed(self) -> bool:
        return f"{self.host}:{self.port}" in settings.OUTBOUND_ALLOWED


def target_of(url: str) -> Target:
    """The parts of a URL that we would call, without asking the network.

    Raises
    ------
    NotSent
        When we never call such an address.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").encode("idna").decode().lower()
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except (ValueError, UnicodeError):
        raise NotSent("It is no address of the web.", is_final=True) from None
    if parts.scheme not in ("https", "http") or not host:
        raise NotSent("It is no address of the web. It begins with https://.", is_final=True)
    if parts.username is not None or parts.password is not None:
        raise NotSent("It holds a name or a password. Take them out.", is_final=True)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise NotSent("It holds a space or a control character.", is_final=True)
    target = Target(parts.scheme, host, port, path)
    if not target.is_listed and (parts.scheme, port) != ("https", 443):
        raise NotSent("Only https addresses on the usual port are called.", is_final=True)
    return target


def is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return False
    return (
        ip.is_global
        and not ip.is_multicast
        and not any(ip in block for block in TUNNELS if block.version == ip.version)
    )


def vetted_literal(target: Target) -> None:
    """Raise `NotSent` if the host is written as an address that is not public; nothing is asked of the network."""
    try:
        address = str(ipaddress.ip_address(target.host))
    except ValueError:
        return
    if not target.is_listed and not is_public(address):
        raise NotSent(f"The host {target.host} is not in the public internet.", is_final=True)


def vetted_address(target: Target) -> str:
    """The address to connect to. Raises `NotSent` if the name has any that is not public."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent(f"The host {target.host} is not known.") from None
    addresses = [str(info[4][0]).split("%")[0] for info in found]
    if not target.is_listed and not all(map(is_public, addresses)):
        raise NotSent(f"The host {target.host} is not in the public internet.", is_final=True)
    return addresses[0]


class _Vetted(http.client.HTTPConnection):
    """A connection to an address that was vetted, in the name of the host."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_SECONDS)
        self.target, self.address = target, address
        self.wire: socket.socket | None = None

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.target.port), timeout=CONNECT_SECONDS)
        if self.target.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.target.host)
        self.wire = self.sock

    def cut(self) -> None:
        """End whatever waits for the other side."""
        if self.wire is not None:
            with suppress(OSError):
                self.wire.shutdown(socket.SHUT_RDWR)


class Response:
    """What came back: status and headers at once, the body in pieces within the bounds."""

    def __init__(self, answer: http.client.HTTPResponse, deadline: float, largest: int) -> None:
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self._answer, self._deadline, self._largest = answer, deadline, largest

    def pieces(self) -> Iterator[bytes]:
        """The body. Raises `NotSent` when it is too large, too slow, or breaks off."""
        size, announced = 0, self._answer.length
        while piece := self._answer.read1(64 * 1024):
            size += len(piece)
            if size > self._largest:
                raise NotSent(f"The response is larger than {self._largest} bytes.", is_final=True)
            yield piece
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        if announced is not None and size < announced:
            raise NotSent("The response broke off.")


@contextmanager
def send(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    largest: int = 64 * 1024,
) -> Iterator[Response]:
    """Make one request.

    Raises
    ------
    NotSent
        Whatever went wrong on the way. A response of any status is no error.
    """
    target = target_of(url)
    deadline = time.monotonic() + seconds
    connection = _Vetted(target, vetted_address(target))
    watch = threading.Timer(seconds, connection.cut)  # a timeout of the socket starts anew with every byte
    watch.daemon = True
    try:
        connection.connect()
        watch.start()
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
        connection.request(method, target.path, body=body, headers=sent)
        yield Response(connection.getresponse(), deadline, largest)
    except ssl.SSLCertVerificationError as error:
        raise NotSent(f"{target.host} has no valid certificate ({error.verify_message}).") from None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            raise NotSent(f"{target.host} took longer than {seconds:.0f} s.") from None
        raise NotSent(f"{target.host} could not be reached ({type(error).__name__}).") from None
    finally:
        watch.cancel()
        connection.close()
