"""HTTP/1.1 from a client that costs next to nothing: one keep-alive connection, one request at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson


class Broken(Exception):
    """The connection ended before the answer was there: nobody knows whether the request was carried out."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: bytes
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


def unchunk(data: bytes) -> tuple[bytes, bytes] | None:
    """A chunked body and what follows it; None while it is not all there."""
    body = b""
    while (end := data.find(b"\r\n")) >= 0:
        size = int(data[:end].split(b";")[0], 16)
        if len(data) < end + 4 + size:
            return None
        body, data = body + data[end + 2 : end + 2 + size], data[end + 4 + size :]
        if not size:
            return body, data
    return None


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.buffer = b""
        self.waiting: asyncio.Future[Answer] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        if at < 0 and b"transfer-encoding: chunked" in head:
            found = unchunk(self.buffer[end + 4 :])
        else:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            found = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            if len(found[0]) < length:
                return
        if found is None:
            return
        body, self.buffer = found
        answer = Answer(int(head[9:12]), head, body)
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(Broken(str(error or "closed")))


class Wire:
    """A client of one site, with its own headers. Connects when it must."""

    def __init__(self, host: str, port: int, *, token: str = "") -> None:
        self.host, self.port = host, port
        self.head = f"Host: {host}:{port}\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
        self.protocol: _Protocol | None = None

    async def connect(self) -> None:
        if self.protocol is None or self.protocol.transport is None:
            loop = asyncio.get_running_loop()
            try:
                _, self.protocol = await loop.create_connection(_Protocol, self.host, self.port)
            except OSError as error:
                raise Broken(str(error)) from None

    async def post(self, path: str, body: bytes = b"", *, seconds: float = 30, **headers: str) -> Answer:
        """Raises `Broken` when no answer came."""
        await self.connect()
        assert self.protocol is not None
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"POST {path} HTTP/1.1\r\n{self.head}{kind}{more}Content-Length: {len(body)}\r\n\r\n"
        self.protocol.waiting = asyncio.get_running_loop().create_future()
        if self.protocol.transport is None:
            raise Broken("closed")
        self.protocol.transport.write(head.encode() + body)
        try:
            return await asyncio.wait_for(self.protocol.waiting, seconds)
        except TimeoutError:
            self.close()
            raise Broken(f"no answer in {seconds:.0f} s") from None

    def close(self) -> None:
        if self.protocol is not None and self.protocol.transport is not None:
            self.protocol.transport.close()
        self.protocol = None
