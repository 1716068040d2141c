"""The asynchronous client: every call of the contract as a coroutine."""

from __future__ import annotations

from headcount_client.asynchronous import AsyncTransport, awaiting, iterating
from headcount_client.calls import listings, planning, queries, resources, writes


class AsyncClient(AsyncTransport):
    """Calls of a Headcount server, for asyncio.

    As ``Client``, with coroutines for methods and asynchronous iterators for iterators.

    Example:
        async with AsyncClient("127.0.0.1:7070") as client:
            (await client.count("shop", 'country = "DE"')).total
    """

    create_audience = awaiting(resources.create_audience)
    get_audience = awaiting(resources.get_audience)
    update_audience = awaiting(resources.update_audience)
    delete_audience = awaiting(resources.delete_audience)
    describe_audience = awaiting(resources.describe_audience)
    create_segment = awaiting(resources.create_segment)
    get_segment = awaiting(resources.get_segment)
    update_segment = awaiting(resources.update_segment)
    delete_segment = awaiting(resources.delete_segment)
    freeze_segment = awaiting(resources.freeze_segment)
    create_snapshot = awaiting(resources.create_snapshot)
    restore_snapshot = awaiting(resources.restore_snapshot)
    get_server_status = awaiting(resources.get_server_status)
    drain = awaiting(resources.drain)

    upsert_subscribers = awaiting(writes.upsert_subscribers)
    record_events = awaiting(writes.record_events)
    delete_subscribers = awaiting(writes.delete_subscribers)
    get_subscriber = awaiting(writes.get_subscriber)

    count = awaiting(queries.count)
    batch_count = awaiting(queries.batch_count)
    explain = awaiting(queries.explain)
    list_members_page = awaiting(queries.list_members_page)
    sample_members = awaiting(queries.sample_members)
    breakdown = awaiting(queries.breakdown)
    overlap = awaiting(queries.overlap)
    match_subscriber = awaiting(queries.match_subscriber)
    get_segment_history = awaiting(queries.get_segment_history)
    forecast = awaiting(planning.forecast)
    diff = awaiting(planning.diff)
    parse_rule = awaiting(queries.parse_rule)
    format_rule = awaiting(queries.format_rule)
    suggest_rule = awaiting(queries.suggest_rule)

    list_members = iterating(listings.list_members)
    export_members = iterating(listings.export_members)
    export_members_roaring = iterating(listings.export_members_roaring)
    watch = iterating(listings.watch)
    list_audiences = iterating(listings.list_audiences)
    list_segments = iterating(listings.list_segments)
    list_snapshots = iterating(listings.list_snapshots)
