"""A snapshot of generated files that stays for the next run, which then needn't load them."""

from __future__ import annotations

import json
from pathlib import Path

from headcount_server.core.state import State
from headcount_server.engine.checkpoints import Checkpoints, Moment
from headcount_server.engine.recovery import load_state
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore

from headcount_bench.workload.dataset import AUDIENCE, Dataset

_STAMP = "of.json"  # beside the snapshot: of which files it is


def newest(data: Dataset, kept: Path) -> State | None:
    """What the snapshot has; None where there is none of these files."""
    store = _store(kept)
    manifest = store.newest()
    stamp = kept / _STAMP
    if manifest is None or not stamp.is_file() or stamp.read_text() != _made_of(data):
        return None
    return load_state(store, manifest, DEFAULT_LIMITS)


def leave(state: State, data: Dataset, kept: Path) -> None:
    """Writes a snapshot, in place of any that is there."""
    store = _store(kept)
    stamp = kept / _STAMP
    stamp.unlink(missing_ok=True)
    store.remove([manifest.name for manifest in store.list()])
    moment = Moment(state.revision, [state.freeze_audience(AUDIENCE)], state.erasures)
    Checkpoints(store).write(data.manifest.as_of_us, moment)
    stamp.write_text(_made_of(data))


def _store(kept: Path) -> SnapshotStore:
    kept.mkdir(parents=True, exist_ok=True)
    store = SnapshotStore(OsFileSystem(), kept)
    store.clean()
    return store


def _made_of(data: Dataset) -> str:
    return json.dumps([str(data.directory.resolve()), repr(data.manifest)])
