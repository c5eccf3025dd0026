"""A small HTTP/1.1 server on the loopback address, in a thread of its own, that can also answer wrongly on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import h11

from syncd.rehearsal.faults import Fault, Faults, no_faults
from syncd.rehearsal.http import Handler, Reply, Request

_CHUNK: Final = 64 << 10
_PAGE: Final = b"<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"
_SILENCE: Final = 3_600.0

_STATUS: Final[Mapping[Fault, Reply]] = {
    Fault.STATUS_401: Reply(401, b'{"error":"unauthorized"}'),
    Fault.STATUS_403: Reply(403, b'{"error":"forbidden"}'),
    Fault.STATUS_404: Reply(404, b'{"error":"not found"}'),
    Fault.STATUS_429: Reply(429, b'{"error":"too many requests"}'),
    Fault.STATUS_429_WAIT: Reply(429, b'{"error":"too many requests"}', {"Retry-After": "1"}),
    Fault.STATUS_500: Reply(500, b'{"error":"internal"}'),
    Fault.STATUS_503: Reply(503, b"busy", content_type="text/plain"),
    Fault.HTML: Reply(200, _PAGE, content_type="text/html"),
    Fault.WRONG_TYPE: Reply(200, b"\x89PNG\r\n\x1a\n\x00\x00", content_type="image/png"),
    Fault.EMPTY: Reply(200),
    Fault.ELSEWHERE: Reply(302, b"", {"Location": "http://elsewhere.invalid/"}),
}


class Server:
    """Serves one double.

    Attributes:
        url: Where it is, without a slash at the end.
        requests: How many it has had.
        most_at_once: The most that were under way together.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        port: int = 0,
        faults: Faults = no_faults,
        latency_seconds: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Args: handler, the double; port, 0 for any; latency_seconds before each answer; tls for HTTPS."""
        self._handler = handler
        self._port = port
        self._faults = faults
        self._latency = latency_seconds
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self.requests = 0
        self.most_at_once = 0
        self.url = ""

    def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The port is taken.
        """
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Break every connection and listen no more. Safe to call twice."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failed = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, ssl=self._tls)
        async with server:
            scheme = "https" if self._tls else "http"
            self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._ready.set()
            await self._stop.wait()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            # What was aborted closes in the loop's next turn, which must come before the loop itself is closed.
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in one
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            request = await _read_request(connection, reader)
            if request is None:
                return
            number, self.requests = self.requests, self.requests + 1
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            try:
                fault = self._faults(number, request)
                if self._latency:
                    await asyncio.sleep(self._latency)
                whole = await self._answer(connection, writer, request, fault)
            finally:
                self._under_way -= 1
            if not whole or connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _answer(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, request: Request, fault: Fault | None
    ) -> bool:
        """Send the answer; whether the connection may go on."""
        if fault is Fault.RESET_BEFORE:
            return False
        if fault is Fault.SILENT:
            await asyncio.sleep(_SILENCE)
        reply = _wrong(fault, self._handler) if fault in _STATUS or fault is Fault.STATUS_503_DATE else None
        reply = reply or self._handler(request)
        if fault is Fault.CUT_JSON:
            reply = Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers, reply.content_type)
        elif fault is Fault.BAD_UTF8:
            body = reply.body.replace(b'":"', b'":"\xff', 1)
            reply = Reply(reply.status, body, reply.headers, reply.content_type)
        await _send(connection, writer, reply, request.method, fault)
        return fault not in {Fault.RESET_INSIDE, Fault.CUT_BODY}


def _wrong(fault: Fault | None, _handler: Handler) -> Reply | None:
    if fault is Fault.STATUS_503_DATE:
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return Reply(503, b"busy", {"Retry-After": later}, "text/plain")
    return None if fault is None else _STATUS.get(fault)


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request, or None when the client has gone."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
        else:
            return None


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, reply: Reply, method: str, fault: Fault | None
) -> None:
    headers = {"Content-Length": str(len(reply.body)), "Content-Type": reply.content_type, **reply.headers}
    head = h11.Response(status_code=reply.status, headers=[*headers.items()])
    writer.write(connection.send(head) or b"")
    body = b"" if method == "HEAD" else reply.body
    if fault in {Fault.RESET_INSIDE, Fault.CUT_BODY}:
        writer.write(body[: len(body) // 2])
        await writer.drain()
        if fault is Fault.CUT_BODY:
            writer.write_eof()
            await asyncio.sleep(0.05)
        return
    if fault is Fault.TRICKLE:
        for byte in body:
            writer.write(connection.send(h11.Data(data=bytes([byte]))) or b"")
            await writer.drain()
            await asyncio.sleep(0.05)
    elif body:
        writer.write(connection.send(h11.Data(data=body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


@contextlib.contextmanager
def serving(
    handler: Handler,
    *,
    port: int = 0,
    faults: Faults = no_faults,
    latency_seconds: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """A server for as long as the block runs; arguments are those of `Server`."""
    server = Server(handler, port=port, faults=faults, latency_seconds=latency_seconds, tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
