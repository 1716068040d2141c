"""The demo's schema, and its data as batches of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from headcount.v1 import ingest_service_pb2 as pb

from headcount_client.client import Client
from headcount_client.demo.people import Coded, Events, Integers, People
from headcount_client.errors import HeadcountError

AUDIENCE = "demo"
BATCH_ROWS = 50_000
SCHEMA = """
[audience]
key = "string"
time_zone = "Europe/Berlin"
reachable = 'status = "active" and consent is true'
[attributes]
email = "text"
country = "keyword"
city = "keyword"
gender = "keyword"
plan = "keyword"
status = "keyword"
tags = "keywords"
age = "integer"
signup_date = "date"
lifetime_spend = { type = "decimal", scale = 2 }
consent = "boolean"
[events.sent]
dimensions = ["campaign"]
activity = false
[events.open]
dimensions = ["campaign"]
[events.click]
dimensions = ["campaign", "link"]
[events.purchase]
dimensions = ["campaign", "category"]
measures = { amount = { scale = 2 }, quantity = { scale = 0 } }
"""


def load_people(client: Client, people: People) -> Iterator[int]:
    """Write the subscribers; yields the number of rows of each batch when it is applied."""
    yield from _written(client, map(_people_request, *_spans(people)))


def load_events(client: Client, people: People, events: Events) -> Iterator[int]:
    """Write events of one type; yields as ``load_people``."""
    starts = range(0, len(events), BATCH_ROWS)
    yield from _written(client, (_events_request(people, events, start) for start in starts))


def _spans(people: People) -> tuple[list[People], range]:
    starts = range(0, len(people.keys), BATCH_ROWS)
    return [people] * len(starts), starts


def _written(client: Client, requests: Iterator[Any]) -> Iterator[int]:
    for answer in client.stream_writes(requests, in_flight=3):
        if answer.accepted is None:
            refused = answer.refused
            raise HeadcountError(refused.message if refused else "a batch wasn't answered")
        yield answer.accepted.accepted_count


def _people_request(people: People, start: int) -> pb.UpsertSubscribersRequest:
    rows = slice(start, start + BATCH_ROWS)
    request = pb.UpsertSubscribersRequest(audience=AUDIENCE)
    request.columns.keys.texts.extend(people.keys[rows])
    columns = request.columns.columns
    columns.add(name="email").texts.values.extend(people.email[rows])
    for name in ("country", "city", "gender", "plan", "status"):
        coded: Coded = getattr(people, name)
        _set_coded(columns.add(name=name), Coded(coded.dictionary, coded.codes[rows]))
    tags = columns.add(name="tags").text_lists
    for listed in people.tag_lists(start, start + BATCH_ROWS):
        tags.values.add(values=listed)
    age = columns.add(name="age")
    age.integers.values.extend(people.age[rows].tolist())
    age.present.extend(people.has_age[rows].tolist())
    columns.add(name="signup_date").integers.values.extend(people.signup_day[rows].tolist())
    _set_decimals(columns.add(name="lifetime_spend"), people.spend_cents[rows], 2)
    columns.add(name="consent").booleans.values.extend(people.consent[rows].tolist())
    known = people.signup_day[rows] * 86_400_000_000
    columns.add(name="known_since").integers.values.extend(known.tolist())
    return request


def _events_request(people: People, events: Events, start: int) -> pb.RecordEventsRequest:
    rows = slice(start, start + BATCH_ROWS)
    request = pb.RecordEventsRequest(audience=AUDIENCE)
    columns = request.columns
    columns.event = events.event
    columns.keys.texts.extend([people.keys[i] for i in events.people[rows].tolist()])
    columns.times.integers.values.extend(events.times[rows].tolist())
    for name, coded in events.dimensions.items():
        column = columns.columns.add(name=name)
        _set_coded(column, Coded(coded.dictionary, coded.codes[rows]))
    for name, (values, scale) in events.measures.items():
        _set_decimals(columns.columns.add(name=name), values[rows], scale)
    return request


def _set_coded(column: pb.Column, coded: Coded) -> None:
    column.coded_texts.dictionary.extend(coded.dictionary)
    column.coded_texts.codes.extend(np.maximum(coded.codes, 0).tolist())
    if (coded.codes < 0).any():
        column.present.extend((coded.codes >= 0).tolist())


def _set_decimals(column: pb.Column, unscaled: Integers, scale: int) -> None:
    column.decimals.scale = scale
    column.decimals.unscaled.extend(unscaled.tolist())
