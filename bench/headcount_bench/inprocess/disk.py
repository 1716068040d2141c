"""What an audience takes on disk, and how long a start from there is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from headcount_server.core.state import State
from headcount_server.engine.checkpoints import Checkpoints, Moment
from headcount_server.engine.recovery import load_state
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore

from headcount_bench.inprocess.memory import resident_bytes
from headcount_bench.resources import require_disk


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot, written and loaded.

    Attributes:
        files: bytes of each part of the audience in its file.
        write_seconds: with syncing.
        load_seconds: from files to an audience that answers, by the clock.
        load_cpu_seconds: the same, of the processor.
        grown_bytes: of the process by loading.
    """

    files: dict[str, int]
    write_seconds: float
    load_seconds: float
    load_cpu_seconds: float
    grown_bytes: int

    @property
    def snapshot_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


def keep(state: State, now_us: int, expected_bytes: int) -> Kept:
    """Writes a snapshot of all audiences into a temporary directory, and loads it.

    Args:
        state: what to write; it is empty afterwards, so that memory holds one of it at a time.
        now_us: the snapshot's time.
        expected_bytes: about what it takes, which must be free.

    Raises:
        BenchFault: there is too little disk.
    """
    with tempfile.TemporaryDirectory(prefix="headcount-bench-") as temporary:
        require_disk(Path(temporary), expected_bytes, "a snapshot")
        store = SnapshotStore(OsFileSystem(), Path(temporary))
        store.clean()
        begin = time.perf_counter()
        frozen = [state.freeze_audience(name) for name in sorted(state.audiences)]
        manifest = Checkpoints(store).write(now_us, Moment(1, [*frozen], state.erasures))
        written = time.perf_counter() - begin
        state.audiences.clear()
        frozen.clear()
        before = resident_bytes()
        begin, cpu = time.perf_counter(), time.process_time()
        loaded = load_state(store, manifest, DEFAULT_LIMITS)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
        grown = resident_bytes() - before
        assert loaded.audiences
        files = {file.part: file.size_bytes for one in manifest.audiences for file in one.files}
        return Kept(files, written, seconds, cpu_seconds, grown)
