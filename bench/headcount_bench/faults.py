"""What ends a measurement: one error, with what is wrong, where, and what would be right."""

from __future__ import annotations

WRONG_USE = 2  # exit codes, as those of `headcount`
FAILED = 3
UNREACHABLE = 4


class BenchFault(Exception):
    """A measurement that can't be taken.

    Args:
        message: for people; says what would be right.
        exit_code: 2 for what was asked wrongly, 3 for what this machine or a server can't do,
            4 for a server that isn't there.
    """

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
