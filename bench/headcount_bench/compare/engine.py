"""What an engine of the comparison is: it loads a data set and makes a question ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from headcount_bench.compare.algebra import Answer, Question
from headcount_bench.compare.dataset import Dataset

Asked = Callable[[], Answer]


class Inexpressible(Exception):
    """The engine's structures have no way to ask this."""


class TimedOut(Exception):
    """A question took longer than it may."""


class Missing(Exception):
    """Something that the engine needs isn't installed; says what to install."""


@dataclass(frozen=True, slots=True)
class Held:
    """How many bytes an engine holds for one of its ways, and where: ``memory`` or ``disk``."""

    bytes: int
    place: str


class Engine(ABC):
    """One engine, loaded with one data set, and the ways in which it can be asked.

    Args:
        timeout_s: how long one question may take.
    """

    name: str
    ways: tuple[str, ...]

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s

    @abstractmethod
    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Loads the files; what an engine keeps ready may follow from what will be asked.

        Raises:
            Missing: what it needs isn't installed.
        """

    @abstractmethod
    def ask(self, way: str, question: Question) -> Asked:
        """The question made ready; calling it asks and returns the answer, or raises TimedOut.

        Raises:
            Inexpressible: this way can't ask it.
        """

    @abstractmethod
    def held(self, way: str) -> Held:
        """What it holds for one way."""

    @abstractmethod
    def close(self) -> None:
        """Ends what was started and removes what was written; may be called at any time."""


def needed(module: str, engine: str) -> Any:
    """A module of the extra ``compare``.

    Raises:
        Missing: it isn't installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise Missing(f"{engine}: pip install 'headcount[compare]'") from None
