"""The blocking client: every call of the contract as a method."""

from __future__ import annotations

from headcount_client.blocking import Transport, blocking, iterating
from headcount_client.calls import listings, planning, queries, resources, writes


class Client(Transport):
    """Calls of a Headcount server, blocking.

    Methods are the calls in snake case, their arguments the request's fields; answers are frozen
    dataclasses with the response's fields. ``list_…``, ``export_…`` and ``watch`` return iterators.
    Safe to share between threads.

    Example:
        with Client("127.0.0.1:7070") as client:
            client.count("shop", 'country = "DE"').total
    """

    create_audience = blocking(resources.create_audience)
    get_audience = blocking(resources.get_audience)
    update_audience = blocking(resources.update_audience)
    delete_audience = blocking(resources.delete_audience)
    describe_audience = blocking(resources.describe_audience)
    create_segment = blocking(resources.create_segment)
    get_segment = blocking(resources.get_segment)
    update_segment = blocking(resources.update_segment)
    delete_segment = blocking(resources.delete_segment)
    freeze_segment = blocking(resources.freeze_segment)
    create_snapshot = blocking(resources.create_snapshot)
    restore_snapshot = blocking(resources.restore_snapshot)
    get_server_status = blocking(resources.get_server_status)
    drain = blocking(resources.drain)

    upsert_subscribers = blocking(writes.upsert_subscribers)
    record_events = blocking(writes.record_events)
    delete_subscribers = blocking(writes.delete_subscribers)
    get_subscriber = blocking(writes.get_subscriber)

    count = blocking(queries.count)
    batch_count = blocking(queries.batch_count)
    explain = blocking(queries.explain)
    list_members_page = blocking(queries.list_members_page)
    sample_members = blocking(queries.sample_members)
    breakdown = blocking(queries.breakdown)
    overlap = blocking(queries.overlap)
    match_subscriber = blocking(queries.match_subscriber)
    get_segment_history = blocking(queries.get_segment_history)
    forecast = blocking(planning.forecast)
    diff = blocking(planning.diff)
    parse_rule = blocking(queries.parse_rule)
    format_rule = blocking(queries.format_rule)
    suggest_rule = blocking(queries.suggest_rule)

    list_members = iterating(listings.list_members)
    export_members = iterating(listings.export_members)
    export_members_roaring = iterating(listings.export_members_roaring)
    watch = iterating(listings.watch)
    list_audiences = iterating(listings.list_audiences)
    list_segments = iterating(listings.list_segments)
    list_snapshots = iterating(listings.list_snapshots)
