"""When a failed call is tried again, and after how long. Pure: chance arrives as an argument.

Reads are tried again when no server answered, when one that is starting or stopping asked for it,
or when a restart cancelled them. Writes are tried again only if they certainly never left.
"""

from __future__ import annotations

from dataclasses import dataclass

from headcount_client.errors import Cancelled, HeadcountError, ResourceExhausted, Unavailable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently.

    Attributes:
        attempts_max: calls in all, the first one included; 1 never tries again.
        backoff_s: the longest wait before the second attempt, in seconds.
        backoff_max_s: the longest wait before any attempt.
        multiplier: how the longest wait grows from attempt to attempt.
    """

    attempts_max: int = 5
    backoff_s: float = 0.1
    backoff_max_s: float = 2.0
    multiplier: float = 2.0

    def delay_s(
        self,
        error: HeadcountError,
        *,
        idempotent: bool,
        attempt: int,
        remaining_s: float | None,
        chance: float,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to give up.

        Args:
            error: how the last attempt failed.
            idempotent: whether the call may be applied twice.
            attempt: number of the last attempt, from 1.
            remaining_s: seconds to the deadline; None without one.
            chance: a random number from 0 to 1; spreads the clients of a restarted server.
        """
        if attempt >= self.attempts_max or not _may_repeat(error, idempotent):
            return None
        longest = min(self.backoff_max_s, self.backoff_s * self.multiplier ** (attempt - 1))
        delay = longest * (0.5 + chance / 2)
        if error.retry_after_s is not None:
            delay = max(delay, error.retry_after_s)
        if remaining_s is not None and delay >= remaining_s:
            return None
        return delay


NO_RETRY = RetryPolicy(attempts_max=1)


def _may_repeat(error: HeadcountError, idempotent: bool) -> bool:
    if not idempotent:
        return isinstance(error, Unavailable) and error.never_left
    if isinstance(error, ResourceExhausted):
        return error.retry_after_s is not None
    return isinstance(error, Unavailable | Cancelled)
