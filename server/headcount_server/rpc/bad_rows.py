"""Faults of a batch: single rows that can't be applied, collected, and faults of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from headcount_server.core.rules.names import nearest
from headcount_server.core.values import Problem
from headcount_server.errors import InvalidBatch, InvalidInput, Violation
from headcount_server.limits import Limits


class BadRows:
    """The rows of one batch that can't be applied."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._violations: list[Violation] = []
        self._rows: set[int] = set()

    def add(self, row: int, field: str, description: str, reason: str) -> None:
        """Note a fault of a row; ``field`` is a column's or attribute's name."""
        self._rows.add(row)
        self._violations.append(Violation(field, description, reason, row=row))

    def add_problems(
        self, field: str, problems: Iterable[Problem], rows: Sequence[int] | None = None
    ) -> None:
        """Note faults of values; ``rows`` are the rows of the values, by default their indexes."""
        for problem in problems:
            row = problem.index if rows is None else int(rows[problem.index])
            self.add(row, field, problem.message, "INVALID_VALUE")

    def check(self) -> None:
        """Refuse the batch if a row is bad.

        Raises:
            InvalidBatch: with the first faults by row; ``metadata['bad_rows']`` is their number.
        """
        if not self._violations:
            return
        ordered = sorted(self._violations, key=lambda violation: (violation.row, violation.field))
        first = ordered[0]
        raise InvalidBatch(
            f"nothing was applied: {len(self._rows)} bad row(s); row {first.row}, {first.field}:"
            f" {first.description}",
            tuple(ordered[: self.limits.batch_errors_max]),
            bad_rows=str(len(self._rows)),
        )


def refuse(field: str, description: str, reason: str, suggestion: str = "") -> NoReturn:
    """Raise InvalidInput for a fault of the whole batch."""
    hint = f'; did you mean "{suggestion}"?' if suggestion else ""
    violation = Violation(field, description + hint, reason, suggestion=suggestion)
    raise InvalidInput(f"{field}: {description}{hint}", (violation,))


def refuse_unknown(field: str, kind: str, name: str, known: Sequence[str]) -> NoReturn:
    """Raise InvalidInput for a name that isn't declared, with the nearest one that is."""
    what = f'unknown {kind} "{name[:80]}"'
    refuse(field, what, f"UNKNOWN_{kind.upper()}", nearest(name, known))
