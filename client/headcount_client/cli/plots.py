"""Sizes over time as a picture in a file, drawn by matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

_INCHES = (10, 5)


def plot(
    path: str,
    title: str,
    times: Sequence[datetime],
    totals: Sequence[int],
    entered: Sequence[int],
    left: Sequence[int],
) -> None:
    """Draw the size as a line, and who entered and left as bars below it; times as they are.

    Raises:
        click.UsageError: matplotlib isn't installed, or the file can't be written or has an
            ending that names no kind of picture.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise click.UsageError(
            "--plot needs matplotlib, which isn't installed; pip install 'headcount[plot]'"
        ) from None
    figure = Figure(figsize=_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw(above, below, times, totals, entered, left)
    above.set_title(title, loc="left", parse_math=False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"{path} can't be written: {reason}") from None


def _draw(
    above: Any,
    below: Any,
    times: Sequence[datetime],
    totals: Sequence[int],
    entered: Sequence[int],
    left: Sequence[int],
) -> None:
    above.plot(times, totals, color="#1f6f8b", drawstyle="steps-post", marker=".", markersize=4)
    above.set_ylabel("count")
    above.grid(visible=True, alpha=0.3)
    below.vlines(times, 0, entered, color="#2a9d4a", linewidth=3, label="entered")
    below.vlines(times, [-one for one in left], 0, color="#c0392b", linewidth=3, label="left")
    below.axhline(0, color="black", linewidth=0.5)
    below.legend(loc="upper left", ncols=2, frameon=False)
    below.grid(visible=True, alpha=0.3)
    below.tick_params(axis="x", rotation=30)
