"""What a comparison found, as tables, JSON lines and a plot.

A ratio is an engine's median by the median of Headcount's cold asks beside it: how many times
longer it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from headcount_bench.compare.engine import Held
from headcount_bench.compare.headcount import COLD
from headcount_bench.compare.run import HEADCOUNT, Figure, Outcome, Store
from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.resources import in_units
from headcount_bench.workload.dataset import Manifest
from headcount_bench.workload.questions import QUESTIONS, STANDARD

RAW = "raw"
RAW_TIMES = 10.0  # the target: so many times faster than the fastest engine on raw data
_TITLES = {one.id: one.title for one in QUESTIONS}
_STANDARD = frozenset(one.id for one in STANDARD)

Line = Mapping[str, Any]
Statistic = Callable[[Sequence[float]], float]
MEDIAN: Statistic = median
FASTEST: Statistic = min  # other work on the machine makes nothing faster
Cells = list[list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a question's targets are met.

    Attributes:
        raw: the fastest engine on raw data; None where none answered.
        kept: the fastest on tables or bitmaps made beforehand, but for Redis.
        redis: Redis.
    """

    question: str
    raw: Figure | None
    kept: Figure | None
    redis: Figure | None
    ratios: tuple[float | None, float | None, float | None]

    @property
    def is_met(self) -> bool:
        """Ten times faster than raw data, and faster than the others."""
        raw, kept, redis = self.ratios
        return all(
            ratio is None or ratio >= least
            for ratio, least in ((raw, RAW_TIMES), (kept, 1.0), (redis, 1.0))
        )


def ratio(figure: Figure, outcome: Outcome, of: Statistic = MEDIAN) -> float:
    """How many times longer than Headcount's cold ask beside it."""
    return of(figure.times_ms) / of(_peer(figure, outcome).times_ms)


def verdicts(outcome: Outcome, of: Statistic = MEDIAN) -> list[Verdict]:
    """For each question the fastest other engine of each kind."""
    found: list[Verdict] = []
    for name in dict.fromkeys(figure.question for figure in outcome.figures):
        others = [
            figure
            for figure in outcome.figures
            if figure.question == name and figure.engine != HEADCOUNT and not figure.why
        ]
        raw = [figure for figure in others if figure.way == RAW]
        redis = [figure for figure in others if figure.engine == "Redis"]
        kept = [figure for figure in others if figure not in raw and figure not in redis]
        best = [
            min(kind, key=lambda figure: ratio(figure, outcome, of), default=None)
            for kind in (raw, kept, redis)
        ]
        ratios = [None if one is None else ratio(one, outcome, of) for one in best]
        found.append(Verdict(name, best[0], best[1], best[2], (ratios[0], ratios[1], ratios[2])))
    return found


def as_lines(outcome: Outcome, stamp: Line, manifest: Manifest) -> list[Line]:
    """One for each engine's way and question, one for what each holds."""
    size = {"subscribers": manifest.subscribers, "events": manifest.events}
    lines: list[Line] = [
        {**stamp, "what": "store", **size, **asdict(store)} for store in outcome.stores
    ]
    for figure in outcome.figures:
        line: dict[str, Any] = {**stamp, "what": "compare", **size, **asdict(figure)}
        line["answer"] = figure.answer[0] if len(figure.answer) == 1 else figure.answer
        line["times_ms"] = [round(one, 4) for one in figure.times_ms]
        if figure.times_ms and not figure.why:
            low, high = figure.spread_ms
            line |= {"median_ms": figure.median_ms, "p25_ms": low, "p75_ms": high}
            line["ratio"] = ratio(figure, outcome)
        lines.append(line)
    return lines


def from_lines(lines: Iterable[Line]) -> Outcome:
    """What several runs found, from their lines; of the same figure the newest.

    Raises:
        BenchFault: they are of data sets of different sizes, or there is none.
    """
    kept: dict[tuple[str, ...], Figure | Store] = {}
    sizes: set[tuple[int, int]] = set()
    for line in lines:
        if line.get("what") not in ("compare", "store"):
            continue
        sizes.add((line["subscribers"], line["events"]))
        engine, way = line["engine"], line["way"]
        if line["what"] == "store":
            held = Held(**line["held"])
            kept[engine, way] = Store(engine, way, held, line["load_s"])
        else:
            name, beside, answer = line["question"], line["beside"], line["answer"]
            whole = tuple(answer) if isinstance(answer, list) else (answer,)
            kept[name, engine, way, beside] = Figure(
                name, engine, way, beside, whole, line["times_ms"], line["why"]
            )
    if len(sizes) != 1:
        raise BenchFault(f"results of one data set are needed, not of {len(sizes)}")
    figures = [one for one in kept.values() if isinstance(one, Figure)]
    order = {one.id: place for place, one in enumerate(QUESTIONS)}
    figures.sort(key=lambda figure: order[figure.question])
    return Outcome(figures, [one for one in kept.values() if isinstance(one, Store)])


def show(outcome: Outcome) -> None:
    """Tables on the terminal."""
    console = Console(width=180)
    for title, head, rows in _tables(outcome):
        table = Table(title=title, title_justify="left")
        for place, name in enumerate(head):
            table.add_column(name, justify="left" if place == 0 else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def as_markdown(outcome: Outcome) -> str:
    """The same tables in Markdown."""
    texts: list[str] = []
    for title, head, rows in _tables(outcome):
        rule = ["---", *["---:"] * (len(head) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
        texts.append(f"{title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(texts)


def plotter(path: Path) -> Callable[[Outcome], None]:
    """A function that draws the medians and their spread on a log axis.

    Raises:
        BenchFault: matplotlib isn't installed, or the file's ending isn't known.
    """
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise BenchFault(
            "--plot needs matplotlib: pip install 'headcount[bench]'", FAILED
        ) from None
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise BenchFault(f"{path}: a plot is .png, .svg or .pdf")

    def draw(outcome: Outcome) -> None:
        names = list(dict.fromkeys(figure.question for figure in outcome.figures))
        ways = list(dict.fromkeys((figure.engine, figure.way) for figure in outcome.figures))
        chart, axes = pyplot.subplots(figsize=(11, 0.55 * len(names) + 2))
        for place, (engine, way) in enumerate(ways):
            drawn = [f for f in outcome.figures if (f.engine, f.way) == (engine, way)]
            drawn = [f for f in drawn if f.times_ms and not f.why]
            offset = 0.7 * (place / max(len(ways) - 1, 1) - 0.5)
            axes.errorbar(
                [f.median_ms for f in drawn],
                [names.index(f.question) + offset for f in drawn],
                xerr=[
                    [f.median_ms - f.spread_ms[0] for f in drawn],
                    [f.spread_ms[1] - f.median_ms for f in drawn],
                ],
                fmt="*" if engine == HEADCOUNT else "o" if way == RAW else "s",
                color=pyplot.colormaps["tab20"](place % 20),
                markersize=9 if engine == HEADCOUNT else 5, linewidth=1, label=f"{engine} {way}",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds, median with 25th to 75th percentile")
        axes.set_yticks(range(len(names)), [f"{name}  {_TITLES[name]}" for name in names])
        axes.invert_yaxis()
        axes.grid(visible=True, which="major", axis="x", alpha=0.4)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        chart.savefig(path, bbox_inches="tight", dpi=120)
        pyplot.close(chart)

    return draw


def _tables(outcome: Outcome) -> list[tuple[str, list[str], Cells]]:
    return [
        _times(outcome),
        _verdicts(outcome, MEDIAN, "Medians"),
        _verdicts(outcome, FASTEST, "The fastest ask of each"),
        _stores(outcome),
    ]


def _times(outcome: Outcome) -> tuple[str, list[str], Cells]:
    """Medians, and of the others the ratio to Headcount."""
    ways = list(dict.fromkeys((figure.engine, figure.way) for figure in outcome.figures))
    head = ["question", *(f"{engine} {way}" for engine, way in ways)]
    rows: Cells = []
    for name in dict.fromkeys(figure.question for figure in outcome.figures):
        row = [name]
        for engine, way in ways:
            found = [
                figure
                for figure in outcome.figures
                if (figure.question, figure.engine, figure.way) == (name, engine, way)
            ]
            row.append(_cell(found[0], outcome) if found else "")
        rows.append(row)
    return "Milliseconds, medians (× Headcount cold beside it)", head, rows


def _cell(figure: Figure, outcome: Outcome) -> str:
    if figure.why:
        return "timeout" if figure.why == "timeout" else "–"
    if figure.engine == HEADCOUNT:
        return _ms(figure.median_ms)
    return f"{_ms(figure.median_ms)} ×{_times_as(ratio(figure, outcome))}"


def _verdicts(outcome: Outcome, of: Statistic, title: str) -> tuple[str, list[str], Cells]:
    head = ["question", "Headcount", "fastest raw", "fastest kept", "Redis bitmaps", "targets"]
    rows: Cells = []
    for verdict in verdicts(outcome, of):
        cells = [
            "–" if one is None or times is None else _against(one, times, of)
            for one, times in zip(
                (verdict.raw, verdict.kept, verdict.redis), verdict.ratios, strict=True
            )
        ]
        target = "met" if verdict.is_met else "missed"
        if verdict.question not in _STANDARD:
            target = "none"
        own = _ms(min(of(one.times_ms) for one in _own(verdict.question, outcome)))
        rows.append([f"{verdict.question} {_TITLES[verdict.question]}", own, *cells, target])
    return (
        f"{title} against the fastest of each kind; targets: ×10 raw, ×1 kept, ×1 Redis",
        head,
        rows,
    )


def _against(figure: Figure, times: float, of: Statistic) -> str:
    low, high = figure.spread_ms
    spread = f" [{_ms(low)}–{_ms(high)}]" if of is MEDIAN else ""
    return f"{figure.engine} {_ms(of(figure.times_ms))}{spread} ×{_times_as(times)}"


def _stores(outcome: Outcome) -> tuple[str, list[str], Cells]:
    rows: Cells = []
    own = next((s.held.bytes for s in outcome.stores if s.engine == HEADCOUNT), 0)
    for store in outcome.stores:
        rows.append([
            f"{store.engine} {store.way}", in_units(store.held.bytes), store.held.place,
            f"×{store.held.bytes / own:.2f}" if own else "", f"{store.load_s:,.0f}",
        ])  # fmt: skip
    return "What each holds", ["engine", "size", "where", "× Headcount", "all loaded in s"], rows


def _own(question: str, outcome: Outcome) -> list[Figure]:
    """Headcount's cold asks, one for each turn."""
    return [
        one
        for one in outcome.figures
        if (one.question, one.engine, one.way) == (question, HEADCOUNT, COLD)
    ]


def _peer(figure: Figure, outcome: Outcome) -> Figure:
    return next(one for one in _own(figure.question, outcome) if one.beside == figure.beside)


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.1 else f"{value:.3f}"


def _times_as(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
