"""Numbers as small pictures made of characters. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_STEPS = "▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉"


def spark(values: Sequence[int], width: int = 60) -> str:
    """A line of bars from the lowest to the highest value; the last ``width`` values or fewer.

    Values that are all alike stand in the middle.
    """
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if low == high:
        return _STEPS[3] * len(shown)
    last = len(_STEPS) - 1
    return "".join(_STEPS[round((value - low) / (high - low) * last)] for value in shown)


def squeezed(values: Sequence[int], width: int = 60) -> list[int]:
    """At most ``width`` of the values, evenly spread; the first and the last one stay."""
    if len(values) <= width:
        return list(values)
    step = (len(values) - 1) / (width - 1)
    return [values[round(place * step)] for place in range(width)]


def bar(value: int, highest: int, width: int = 24) -> str:
    """A bar as long as ``value`` is of ``highest``, in eighths of a character."""
    if value <= 0 or highest <= 0:
        return ""
    eighths = max(1, round(8 * width * value / highest))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_PARTS[rest] if rest else "")
