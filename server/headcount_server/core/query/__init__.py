"""Questions to one revision of an audience. Pure: an ``Ask`` and rules in, frozen answers out."""

from headcount_server.core.query.ask import Ask
from headcount_server.core.query.breakdown import Breakdown, By, breakdown, breakdown_steps
from headcount_server.core.query.counting import Count, batch_count, batch_count_steps, count
from headcount_server.core.query.describe import Description, describe
from headcount_server.core.query.diff import Diff, DiffPart, diff, diff_steps
from headcount_server.core.query.explain import ExplainNode, Explanation, explain, explain_steps
from headcount_server.core.query.forecast import ForecastPoint, forecast
from headcount_server.core.query.matching import MatchNode, MatchResult, match, match_steps
from headcount_server.core.query.members import (
    members,
    page,
    page_steps,
    sample,
    sample_steps,
)
from headcount_server.core.query.overlap import Overlap, overlap, overlap_steps
from headcount_server.core.query.prepared import Prepared, prepare
from headcount_server.core.query.tolerant import Checked, checked, faults

__all__ = [
    "Ask", "Breakdown", "By", "Checked", "Count", "Description", "Diff", "DiffPart",
    "ExplainNode", "Explanation", "ForecastPoint", "MatchNode", "MatchResult", "Overlap",
    "Prepared", "batch_count", "batch_count_steps", "breakdown", "breakdown_steps", "checked",
    "count", "describe", "diff", "diff_steps", "explain", "explain_steps", "faults", "forecast",
    "match", "match_steps", "members", "overlap", "overlap_steps", "page", "page_steps",
    "prepare", "sample", "sample_steps",
]  # fmt: skip
