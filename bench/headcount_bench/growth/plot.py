"""Growth as a picture, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headcount_bench.faults import BenchFault
from headcount_bench.growth.points import Point

_STYLES = ("-", "--", ":")


def require_matplotlib() -> None:
    """Raises BenchFault, with what to install, where there is no matplotlib."""
    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        raise BenchFault(
            "plots need matplotlib: pip install 'headcount[plot]', or leave --plot out"
        ) from None


def draw(points: Sequence[Point], path: Path) -> None:
    """Writes latency, memory and load time by the number of subscribers.

    Args:
        points: ascending.
        path: of the picture; its ending says the format.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(16, 6))
    behaving = [point for point in points if point.events]
    _latency(axes[0], behaving or points)
    _lines(axes[1], points, "memory", "MiB", {
        "resident": lambda point: point.load["resident_bytes"] / 2**20,
        "indexes": lambda point: sum(point.load["memory"].values()) / 2**20,
    })  # fmt: skip
    _lines(axes[2], points, "loading, one core", "seconds of the processor", {
        "subscribers": lambda point: point.load["rates"]["subscribers"]["engine_cpu_seconds"],
        "events": lambda point: point.load["rates"]["events"]["engine_cpu_seconds"],
        "start from a snapshot": _start_seconds,
    })  # fmt: skip
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _latency(axis: Any, points: Sequence[Point]) -> None:
    names = [line["id"] for line in points[-1].questions]
    for number, name in enumerate(names):
        found = [
            (point.subscribers, line["ms"]["cold"]["cpu_median"])
            for point in points
            for line in point.questions
            if line["id"] == name
        ]
        style = _STYLES[number // 7 % len(_STYLES)]
        axis.plot(*zip(*found, strict=True), style, marker="o", markersize=3, label=name)
    axis.axhline(1, color="black", linewidth=0.8)
    _finish(axis, "counts, no result cache, median", "milliseconds of the processor")
    axis.legend(fontsize=7, ncols=3)


def _lines(
    axis: Any,
    points: Sequence[Point],
    title: str,
    unit: str,
    values: dict[str, Callable[[Point], float | None]],
) -> None:
    for has_events, style in ((True, "-"), (False, ":")):
        some = [point for point in points if bool(point.events) is has_events]
        for name, value in values.items():
            found = [(point.subscribers, value(point)) for point in some if value(point)]
            if found:
                ending = "" if has_events else ", attributes only"
                axis.plot(*zip(*found, strict=True), style, marker="o", label=name + ending)
    _finish(axis, title, unit)
    axis.legend(fontsize=8)


def _start_seconds(point: Point) -> float | None:
    return point.snapshot["load_cpu_seconds"] if point.snapshot else None


def _finish(axis: Any, title: str, unit: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_title(title)
    axis.set_xlabel("subscribers")
    axis.set_ylabel(unit)
    axis.grid(visible=True, which="both", linewidth=0.3)
