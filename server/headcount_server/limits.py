"""Every bound of the system, each with its reason.

A limit that an operator may want to move is a field of ``Limits``; one that a file format or an
algorithm depends on is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK_ROWS = 65_536  # one roaring container; the unit of rows, columns and partitions
PARTITIONS_DEFAULT = 64  # blocks b with b % 64 == p belong to partition p
ROWS_MAX = 2**32  # rows are uint32
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NAME_LENGTH_MAX = 64  # audiences, attributes, events, dimensions, measures
SEGMENT_NAME_LENGTH_MAX = 255  # segments are named by people, in any script
DECIMAL_SCALE_MAX = 18  # 10^18 is the largest power of ten in an int64
SEQUENCE_STEPS_MAX = 8  # longer chains are journeys, not rules
REGEX_MEMORY_MAX = 4 << 20  # bytes of a compiled pattern and its scratch; 20 ms to find out
NUMBER_DIGITS_MAX = 1_000  # of one literal of a rule; a value has 19, arithmetic is quadratic
SNAPSHOTS_KEPT_DEFAULT = 3
LOAD_THREADS = 2  # of a start; each holds one file of a snapshot, and more wait for the GIL
LOG_SEGMENT_BYTES_DEFAULT = 64 << 20  # what a segment takes before another is begun
SNAPSHOT_LOG_BYTES_DEFAULT = 256 << 20  # log after which a snapshot is taken: a minute of replay
ERASURE_DAYS_DEFAULT = 7  # in which snapshots and log from before an erasure are removed
PRODUCER_REVISIONS_MAX = 1_024  # batches of one producer whose revisions are remembered
PRODUCER_NAME_BYTES_MAX = 255
RETENTION_DAYS_MAX = 36_525  # a century; longer is for ever
CHANGE_DAYS_DEFAULT = 400  # how long `changed in …` remembers
HISTORY_MINUTE_DAYS = 7  # in which sizes of a segment are kept by minute, …
HISTORY_HOUR_DAYS = 90  # … and by hour; later by day
CHANGE_DAYS_SPARE = 31  # kept beyond that, for questions as of a day not long ago


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of a server, with the defaults of the contract."""

    rule_depth_max: int = 64  # nodes; the root is 1, tests of a where count on
    rule_nodes_max: int = 10_000
    list_values_max: int = 100_000
    rule_text_bytes_max: int = 1 << 20
    tolerant_tokens_max: int = 120_000  # commas apart; a list of 100,000 values fits, 1.5 s to read
    recovery_tokens_max: int = 40_000  # of an unfinished text; 10,000 conditions fit, 1 s to read
    pattern_length_max: int = 4_096  # characters of one like or regular expression
    key_bytes_max: int = 255
    uint32_key_max: int = 2**28  # keys are rows; a sparse id space costs memory
    value_bytes_max: int = 4_096  # one string value of an attribute or dimension
    keywords_max: int = 1_000  # values in one keywords set of one subscriber
    batch_rows_max: int = 100_000  # rows in one write
    batch_errors_max: int = 100  # bad rows listed in one error; the total is told
    message_bytes_max: int = 16 << 20  # one gRPC message
    audiences_max: int = 1_000
    attributes_max: int = 1_000
    event_types_max: int = 500
    properties_max: int = 64  # dimensions and measures of one event type
    segments_max: int = 10_000
    histories_max: int = 1_000  # segments of one audience whose members and moves are kept
    history_points_max: int = 20_000  # in one answer; a week of minutes has 10,080
    batch_rules_max: int = 1_000  # rules in one BatchCount
    overlap_sets_max: int = 100
    overlap_regions_max: int = 8  # 2^8 regions
    breakdown_values_max: int = 10_000
    page_size_max: int = 10_000
    page_size_default: int = 1_000
    sample_size_max: int = 10_000
    stream_slots_max: int = 64  # of one CountStream: a rule and its branches; one question in each
    forecast_days_max: int = 400  # a year and a month: each day is an evaluation
    watches_per_stream_max: int = 1_000  # rules and segments of one Watch
    watches_per_client_max: int = 20_000  # of one address, in all of its streams
    watches_max: int = 50_000  # of the server
    watch_bytes_max: int = 2 << 30  # of the members of watched rules
    watch_erased_keys_max: int = 100_000  # of one watch, until it is read
    watch_keys_max: int = 50_000  # in one message; more of an update follow in the next
    suggestions_max: int = 1_000  # in one answer; a list that people read is shorter
    parameters_max: int = 1_000
    concurrent_streams_max: int = 1_000  # per connection
    pending_requests_max: int = 16_384  # not begun; gRPC cancels what comes on top
    pending_write_bytes_max: int = 256 << 20  # of writes that wait for their turn
    group_bytes_max: int = 16 << 20  # of writes that are made durable at once
    producers_max: int = 10_000  # of one audience; the one silent for longest is forgotten


DEFAULT_LIMITS = Limits()
