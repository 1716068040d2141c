"""A server with an audience of four people, one for each module of tests."""

import pytest
from headcount.v1 import audience_service_pb2, ingest_service_pb2

from tests.rpc.serving import audience, running, stubs, text_column


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def api(server):
    with stubs(server.address) as found:
        yield found


@pytest.fixture(scope="module")
def shop(api):
    """An audience of four people with some events, whose name it is."""
    request = audience_service_pb2.CreateAudienceRequest(audience=audience("shop"))
    api.audience.CreateAudience(request)
    api.ingest.UpsertSubscribers(
        ingest_service_pb2.UpsertSubscribersRequest(
            audience="shop",
            columns=ingest_service_pb2.SubscriberColumns(
                keys=ingest_service_pb2.Keys(texts=["ann", "bob", "cem", "dot"]),
                columns=[
                    text_column("country", "DE", "de", "FR", ""),
                    text_column("tags", "news|vip", "news", "", "shoes"),
                    text_column("age", "30", "40", "50", ""),
                    text_column("spend", "1.50", "20", "", "0"),
                    text_column("vip", "true", "false", "true", ""),
                    text_column("signup", "2026-01-31", "2026-02-28", "2025-01-01", ""),
                    text_column("home", "52.5,13.4", "", "", ""),
                ],
            ),
        )
    )
    api.ingest.RecordEvents(
        ingest_service_pb2.RecordEventsRequest(
            audience="shop",
            columns=ingest_service_pb2.EventColumns(
                keys=ingest_service_pb2.Keys(texts=["ann", "ann", "bob", "cem"]),
                times=text_column("", *["2026-03-01T10:00:00Z"] * 4),
                events=text_column("", "open", "purchase", "open", "purchase"),
                columns=[
                    text_column("campaign", "spring", "", "summer", ""),
                    text_column("category", "", "shoes", "", "hats"),
                    text_column("amount", "", "12.34", "", "100"),
                ],
            ),
        )
    )
    return "shop"
