"""``snapshot create|list|restore`` and ``status``."""

from __future__ import annotations

from typing import Any

import click

from headcount_client import results
from headcount_client.cli.output import print_json, print_table, rfc3339, say, size
from headcount_client.cli.snapshotting import followed
from headcount_client.cli.target import Target, target_options

_COLUMNS = ("snapshot", "taken", "audiences", "subscribers", "size")


@click.group()
def snapshot() -> None:
    """Snapshots on disk: create, list, restore, verify."""


@snapshot.command("create", epilog="Example:  headcount snapshot create before-migration")
@click.argument("name", metavar="[NAME]", required=False, default="")
@target_options
def create(target: Target, name: str) -> None:
    """Write a snapshot of everything; without a name it is named by the time."""
    with target.client() as client, followed(client):
        answer = client.with_timeout(None).create_snapshot(name)
    if target.as_json:
        print_json({**_plain(answer.snapshot), "elapsed_ms": answer.elapsed_duration})
        return
    if answer.snapshot is not None:
        say(f"{answer.snapshot.name}: {size(answer.snapshot.size_bytes)} written")


@snapshot.command("list", epilog="Example:  headcount snapshot list")
@target_options
def list_(target: Target) -> None:
    """List the snapshots, the newest first."""
    with target.client() as client:
        found = list(client.list_snapshots())
    if target.as_json:
        print_json([_plain(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.create_time,
            ", ".join(part.audience for part in one.audiences),
            sum(part.subscriber_count for part in one.audiences),
            size(one.size_bytes),
        )
        for one in found
    ]
    print_table(_COLUMNS, rows, numbers=_COLUMNS[3:])


@snapshot.command("restore", epilog="Example:  headcount snapshot restore before-migration")
@click.argument("name", metavar="NAME")
@target_options
def restore(target: Target, name: str) -> None:
    """Bring back the state of a snapshot."""
    with target.client() as client:
        answer = client.with_timeout(None).restore_snapshot(name)
    if target.as_json:
        print_json(_plain(answer.snapshot))
        return
    say(f"{name} is restored")


@click.command(epilog="Example:  headcount status --json")
@target_options
def status(target: Target) -> None:
    """Show the server's version, state, audiences and memory."""
    with target.client() as client:
        answer = client.get_server_status()
    if target.as_json:
        print_json(
            {
                "version": answer.version,
                "state": answer.state,
                "audiences": [_audience(one) for one in answer.audiences],
                "resident_bytes": answer.resident_bytes,
                "start_time": answer.start_time,
                "current_time": answer.current_time,
                "read_only_reason": answer.read_only_reason,
                "snapshot_progress": _progress(answer.snapshot_progress),
            }
        )
        return
    say(
        f"headcount {answer.version}, {answer.state}, {size(answer.resident_bytes)} resident",
        "bold",
    )
    if answer.start_time is not None:
        say(f"serving since {rfc3339(answer.start_time)}", "dim")
    if answer.read_only_reason:
        say(f"no writes are taken: {answer.read_only_reason}", "red")
    if answer.snapshot_progress is not None:
        found = answer.snapshot_progress
        say(
            f"writing snapshot {found.snapshot}: {found.written_count} of {found.audience_count}"
            " audiences",
            "dim",
        )
    columns = ("audience", "subscribers", "events", "segments", "revision")
    rows = [
        (one.audience, one.subscriber_count, one.event_count, one.segment_count, one.revision)
        for one in answer.audiences
    ]
    if rows:
        print_table(columns, rows, numbers=columns[1:])
    else:
        say("no audiences yet; headcount audience create makes one")


def _audience(one: results.AudienceStatus) -> dict[str, Any]:
    return {
        "name": one.audience,
        "audience_size": one.subscriber_count,
        "revision": one.revision,
        "event_count": one.event_count,
        "segment_count": one.segment_count,
    }


def _progress(one: results.SnapshotProgress | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "snapshot": one.snapshot,
        "start_time": one.start_time,
        "written_count": one.written_count,
        "audience_count": one.audience_count,
    }


def _plain(one: results.Snapshot | None) -> dict[str, Any]:
    if one is None:
        return {}
    return {
        "name": one.name,
        "create_time": one.create_time,
        "size_bytes": one.size_bytes,
        "audiences": [
            {
                "name": part.audience,
                "audience_size": part.subscriber_count,
                "revision": part.revision,
            }
            for part in one.audiences
        ],
    }
