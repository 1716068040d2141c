"""Figures of load: a table, JSON lines, a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.load.driving import Measured, Plan
from headcount_bench.load.pace import Recorded
from headcount_bench.machine import stamp

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


def as_lines(server: str, plan: Plan, measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Raw results: a line a mode, with its whole histogram."""
    return [
        {
            **stamp(),
            "command": "load",
            "server": server,
            "mode": one.mode.value,
            "rate": plan.rate,
            "concurrency": plan.concurrency,
            "duration_s": plan.duration_s,
            "batch_size": plan.batch_size,
            "rules": [request.rule_text for request in plan.requests],
            "writes_rate": plan.writes.rate if plan.writes else 0,
            "written": one.written,
            "elapsed_s": one.elapsed_s,
            "calls_per_s": one.calls_per_s,
            "cpu_us_per_call": one.cpu_us_per_call,
            "reads": _line(one.reads),
            "writes": _line(one.writes),
        }
        for one in measured
    ]


def table(plan: Plan, measured: Sequence[Measured]) -> Table:
    """The figures for people; latencies in milliseconds."""
    shown = Table()
    shown.add_column("mode")
    for name in ("due/s", "answered/s", *(f"p{p:g} ms" for p in PERCENTS), "max ms", "late"):
        shown.add_column(name, justify="right")
    for name in ("CPU µs/call", "errors", "events/s", "write p99 ms"):
        shown.add_column(name, justify="right")
    for one in measured:
        reads = one.reads
        shown.add_row(
            one.mode.value, f"{plan.rate:,.0f}", f"{one.calls_per_s:,.0f}",
            *(f"{reads.ms(p):.2f}" for p in PERCENTS), f"{reads.max_ms:.1f}", f"{reads.late:,}",
            f"{one.cpu_us_per_call:,.0f}" if one.server_cpu_s else "",
            ", ".join(f"{n}: {count:,}" for n, count in sorted(reads.errors.items())),
            f"{one.written / one.elapsed_s:,.0f}" if one.written else "",
            f"{one.writes.ms(99):.1f}" if one.writes.count else "",
        )  # fmt: skip
    return shown


def plot(path: Path, plan: Plan, measured: Sequence[Measured]) -> None:
    """Latency by percentile, a line a mode; the format is that of the file's ending.

    Raises:
        BenchFault: it can't be drawn or written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise BenchFault("a plot needs matplotlib: pip install 'headcount[bench]'") from None
    figure: Any = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for one in measured:
        steps = [*range(0, 90), 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99]
        steps = [p for p in steps if p < 90 or one.reads.count * (1 - p / 100) >= 1]
        shares = [1 / (1 - percent / 100) for percent in steps]
        axes.plot(shares, [one.reads.ms(percent) for percent in steps], label=one.mode.value)
    axes.set(xscale="log", yscale="log", ylabel="milliseconds from when a call was due")
    marks = (50, 90, 99, 99.9, 99.99)
    axes.set_xticks([1 / (1 - p / 100) for p in marks], [f"{p:g} %" for p in marks])
    writes = f", {plan.writes.rate:,.0f} events/s written" if plan.writes else ""
    axes.set(title=f"{plan.rate:,.0f} calls/s, {plan.concurrency} at once{writes}", xlabel="calls")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BenchFault(f"{path}: the plot can't be written: {error}", FAILED) from None


def _line(recorded: Recorded) -> dict[str, Any]:
    if not recorded.count:
        return {"count": 0, "errors": recorded.errors}
    return {
        "count": recorded.count,
        "late": recorded.late,
        "errors": recorded.errors,
        "ms": {f"p{percent:g}": recorded.ms(percent) for percent in PERCENTS},
        "max_ms": recorded.max_ms,
        "histogram": recorded.latency.encode().decode(),
    }
