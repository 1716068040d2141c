"""The application: the only place that builds real clocks, files and sockets.

``serve`` is the server of the command line; ``embedded`` the same server inside a client's process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from headcount_server import __version__
from headcount_server.codec.log import LOG_ID_BYTES
from headcount_server.core.rules.parser import grammar
from headcount_server.core.state import State
from headcount_server.engine.clock import system_clock
from headcount_server.engine.engine import Engine
from headcount_server.engine.salvage import Salvage, Salvager
from headcount_server.errors import HeadcountError, InvalidInput, Unavailable, Violation
from headcount_server.limits import (
    ERASURE_DAYS_DEFAULT,
    SNAPSHOT_LOG_BYTES_DEFAULT,
    SNAPSHOTS_KEPT_DEFAULT,
    Limits,
)
from headcount_server.rpc.server import RpcServer
from headcount_server.storage.files import Lock, OsFileSystem
from headcount_server.storage.log import LogStore, Sync
from headcount_server.storage.snapshots import Report, SnapshotStore

EXIT_FAILED = 3
# How long a thread may keep the interpreter while others wait for it. A call needs it a few times,
# so with Python's 5 ms every read would take 20 ms while a thread reads a batch or a long rule.
_SWITCH_S = 0.0005
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes:
        data: the data directory; made where it is missing.
        listen: ``HOST:PORT`` (port 0: any free one) or ``unix:PATH``.
        snapshots_kept: how many snapshots stay, 1 or more.
        snapshot_every_s: seconds between snapshots of what changed; 0: only at the end.
        snapshot_log_bytes: a snapshot is taken when the log has grown by that; 0: never.
        erasure_days: within how many days snapshots and log from before an erasure are removed.
        sync: when what was acknowledged is on disk.
        sync_every_s: seconds between syncs where that is an interval.
        grace_s: how long running calls may take to end, in seconds.
    """

    data: Path
    listen: str = "127.0.0.1:7070"
    snapshots_kept: int = SNAPSHOTS_KEPT_DEFAULT
    snapshot_every_s: float = 0.0
    snapshot_log_bytes: int = SNAPSHOT_LOG_BYTES_DEFAULT
    erasure_days: int = ERASURE_DAYS_DEFAULT
    sync: Sync = Sync.ALWAYS
    sync_every_s: float = 0.1
    grace_s: float = 10.0
    limits: Limits = field(default_factory=Limits)


def serve(settings: Settings, log_level: str = "info") -> int:
    """Serves until SIGTERM or SIGINT; tells on standard output when it is ready.

    Returns:
        The exit code: 0, or 3 for a failure, which is told in one line on standard error.
    """
    _log_to_stderr(log_level)
    sys.setswitchinterval(_SWITCH_S)
    try:
        uvloop.run(run(settings))
    except (HeadcountError, OSError) as error:
        print(f"headcount: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


async def run(settings: Settings) -> None:
    """What ``serve`` runs on an event loop.

    Raises:
        HeadcountError: it can't start, or what changed couldn't be kept at the end.
    """
    gc.disable()  # what is loaded stays: looking for garbage in it would be in vain
    async with _serving(settings) as (engine, address):
        gc.freeze()  # so that it isn't looked through later either, while reads wait
        gc.enable()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.request_stop, settings.grace_s)
        print(f"headcount {__version__} serving {settings.data} on {address}", flush=True)
        await engine.stop_requested.wait()
        _log.info("stopping: calls have %g s to end", engine.stop_grace_s)


@contextmanager
def embedded(data_dir: str | Path) -> Generator[str, None, None]:
    """Serves a data directory from a thread of this process, on a private socket.

    The directory is loaded at the beginning and what changed is kept at the end.

    Args:
        data_dir: made where it is missing.

    Yields:
        The address for a client of this process.

    Raises:
        HeadcountError: it can't start, or what changed couldn't be kept at the end.
    """
    with tempfile.TemporaryDirectory(prefix="headcount-") as private:
        address = f"unix:{private}/socket"
        thread = _EmbeddedServer(Settings(Path(data_dir), address, grace_s=1.0))
        thread.begin()
        try:
            yield address
        finally:
            thread.end()


def verify(data_dir: str | Path) -> list[Report]:
    """A report on every snapshot of a data directory; a server may be using it meanwhile."""
    return SnapshotStore(OsFileSystem(), Path(data_dir)).verify_all()


def salvage(data_dir: str | Path, accept_loss: bool) -> Salvage:
    """What of a damaged data directory can be had back; with ``accept_loss`` that is done.

    Raises:
        HeadcountError: a server uses the directory, or a newer version wrote it.
        OSError: it can't be read or written.
    """
    files, data = OsFileSystem(), Path(data_dir)
    lock = _take(files, data)
    try:
        store = SnapshotStore(files, data)
        log = LogStore(files, data, new_id=lambda: os.urandom(LOG_ID_BYTES))
        salvager = Salvager(store, log, Limits())
        found = salvager.plan()
        if found.problem and accept_loss:
            store.clean()
            salvager.carry_out(found, system_clock()())
        return found
    finally:
        lock.release()


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncGenerator[tuple[Engine, str], None]:
    """A running engine and its address; at the end calls are ended and the state is kept."""
    files = OsFileSystem()
    async with AsyncExitStack() as stack:
        lock = _take(files, settings.data)
        stack.callback(lock.release)
        store = SnapshotStore(files, settings.data, settings.snapshots_kept)
        store.clean()
        log = LogStore(files, settings.data, settings.sync, new_id=lambda: os.urandom(LOG_ID_BYTES))
        engine = Engine(
            State(settings.limits), store, system_clock(), log,
            settings.sync_every_s, settings.snapshot_log_bytes, settings.erasure_days,
        )  # fmt: skip
        await asyncio.gather(engine.start(), asyncio.to_thread(grammar))
        stack.push_async_callback(engine.close)
        server = RpcServer(engine, settings.limits, __version__)
        engine.on_state(server.tell_health)
        address = await _listening(server, settings.listen)
        try:
            async with _snapshots_every(engine, settings.snapshot_every_s):
                yield engine, address
        finally:
            await server.stop(engine.stop_grace_s)


async def _listening(server: RpcServer, listen: str) -> str:
    if not listen.startswith("unix:"):
        _probe(listen)
    try:
        port = await server.start(listen)
    except (Unavailable, RuntimeError, OSError) as error:
        raise Unavailable(f"can't listen on {listen}: {error}") from error
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def _probe(listen: str) -> None:
    """Raise, with the system's reason, where ``HOST:PORT`` can't be listened on."""
    host, _, port = listen.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 65_536):
        what = f"{listen!r} is no address to listen on, such as 127.0.0.1:7070 or unix:PATH"
        raise InvalidInput(what, (Violation("listen", what, "INVALID_ADDRESS"),))
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), int(port)), family=family).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]  # the address is told already
        raise Unavailable(f"can't listen on {listen}: {reason}") from error


def _take(files: OsFileSystem, data: Path) -> Lock:
    try:
        files.make_directory(data)
        return files.lock(data / "LOCK")
    except OSError as error:
        raise Unavailable(f"data directory {data} can't be used: {error.strerror}") from error


@asynccontextmanager
async def _snapshots_every(engine: Engine, seconds: float) -> AsyncGenerator[None, None]:
    async def keep() -> None:
        while True:
            await asyncio.sleep(seconds)
            if engine.is_changed:
                try:
                    await engine.snapshot()
                except HeadcountError as error:
                    _log.error("%s", error)

    task = asyncio.create_task(keep()) if seconds else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


class _EmbeddedServer:
    """A server in a thread with its own event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Engine]] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="headcount-embedded", daemon=True)

    def begin(self) -> None:
        """Returns when it answers; raises what keeps it from that."""
        self._thread.start()
        self._ready.result()

    def end(self) -> None:
        """Returns when it has ended; raises what went wrong."""
        loop, engine = self._ready.result()
        loop.call_soon_threadsafe(engine.request_stop, self._settings.grace_s)
        self._thread.join()
        self._ended.result()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            (self._ended if self._ready.done() else self._ready).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        async with _serving(self._settings) as (engine, _):
            self._ready.set_result((asyncio.get_running_loop(), engine))
            await engine.stop_requested.wait()


class _OneLine(logging.Formatter):
    """``time=… level=… logger=… message="…"``, tracebacks included, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        seconds, fraction = divmod(record.created, 1)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        parts = [
            f"time={moment}.{int(fraction * 1000):03d}Z",
            f"level={record.levelname.lower()}",
            f"logger={record.name}",
            f"message={json.dumps(record.getMessage(), ensure_ascii=False)}",
        ]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            parts.append(f"traceback={json.dumps(trace, ensure_ascii=False)}")
        return " ".join(parts)


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
