from __future__ import annotations

from pathlib import Path

import pytest
from headcount_bench.workload.dataset import Dataset, open_dataset
from headcount_bench.workload.generate import Plan, check, generate


def made(directory: Path, **changed: float) -> Dataset:
    """A small data set."""
    settings = {"subscribers": 3_000, "events_per_subscriber": 6, "seed": 1, **changed}
    plan = Plan(out=directory, **settings)  # pyright: ignore[reportArgumentType]
    check(plan)
    generate(plan, lambda name, rows: None)
    return open_dataset(directory)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made(tmp_path_factory.mktemp("data") / "small")
