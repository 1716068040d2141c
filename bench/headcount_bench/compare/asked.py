"""The standard questions in the terms of the comparison."""

from __future__ import annotations

from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import Schema

from headcount_bench.compare.algebra import Breakdown, Count, Pairs, Question
from headcount_bench.compare.translate import Translator
from headcount_bench.workload import questions as standard
from headcount_bench.workload.dataset import Manifest

DAY_US = 86_400_000_000


def asked(schema: Schema, manifest: Manifest) -> dict[str, Question]:
    """Each question by its id, at the data set's ``as_of``.

    Raises:
        Untranslatable: a question has a part that the comparison doesn't know.
    """
    known = translator(schema, manifest)
    return {one.id: _question(known, one) for one in standard.QUESTIONS}


def translator(schema: Schema, manifest: Manifest) -> Translator:
    """What makes rules plain for a data set, whose days are those of UTC."""
    today = manifest.as_of_us // DAY_US
    active = tuple(event.name for event in schema.events if schema.is_activity(event))
    return Translator(schema, today, today - manifest.days, active)


def _question(known: Translator, one: standard.Question) -> Question:
    rules = tuple(known.ask(parse(rule)) for rule in one.rules)
    if one.kind is standard.Kind.OVERLAP:
        return Pairs(rules)
    return Breakdown(rules[0], one.by) if one.by else Count(rules[0])
