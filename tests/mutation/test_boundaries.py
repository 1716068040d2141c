"""The mutation run itself, on a module made for it, and what its list of survivors says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.boundaries import EQUIVALENT
from tests.mutation.comparisons import SWITCH, survivors_listed, switchable

ROOT = Path(__file__).parents[2]
CORE = ROOT / "server" / "headcount_server" / "core"
MODULE = """
def is_adult(age):
    return age >= 18

def larger(a, b):
    return a if a > b else b

def within(low, value, high):
    return low <= value < high
"""
TESTS = """
from core.ages import is_adult, larger, within

def test_adult():
    assert is_adult(18) and not is_adult(17)

def test_larger():
    assert larger(1, 2) == larger(2, 1) == larger(2, 2) == 2

def test_within():
    assert within(1, 1, 3) and within(1, 2, 3){more}
"""


def run(folder: Path, more: str, known: str) -> subprocess.CompletedProcess[str]:
    (folder / "core").mkdir()
    (folder / "core" / "ages.py").write_text(MODULE)
    (folder / "test_ages.py").write_text(TESTS.replace("{more}", more))
    (folder / "known.tsv").write_text(known)
    command = [
        sys.executable, "-m", "pytest", "-p", "tests.mutation.boundaries", "-p", "no:xdist",
        "-p", "no:cacheprovider", "--boundaries-below=core/", "--boundaries-known=known.tsv",
        "--rootdir", ".", "test_ages.py",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


LARGER = "ages.py\tlarger\ta > b\tone of two that are equal\n"


def test_a_boundary_that_no_test_tells_fails_the_run(tmp_path: Path) -> None:
    result = run(tmp_path, "", LARGER)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "survived 1 tests: ages.py:9 within: value < high" in result.stdout
    assert "3 of 4" not in result.stdout
    assert "2 of 3 boundaries moved failed a test" in result.stdout


def test_a_run_in_which_all_boundaries_are_told_passes(tmp_path: Path) -> None:
    result = run(tmp_path, " and not within(1, 3, 3)", LARGER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 of 3 boundaries moved failed a test" in result.stdout


def test_each_comparison_of_a_chain_is_moved_by_itself() -> None:
    tree, places = switchable("def f(a):\n    return 1 <= a < 3 == 3", "m.py", first=5)
    assert [place.key for place in places] == [("m.py", "f", "1 <= a"), ("m.py", "f", "a < 3")]
    for moved, expected in ((None, [1, 2]), (5, [2]), (6, [1, 2, 3])):
        names = {SWITCH: lambda number, moved=moved: number == moved}
        exec(compile(tree, "m.py", "exec"), names)
        assert [value for value in range(5) if names["f"](value)] == expected


def test_every_survivor_that_is_listed_is_in_the_code() -> None:
    there = {
        place.key
        for path in CORE.rglob("*.py")
        for place in switchable(path.read_bytes(), path.relative_to(CORE).as_posix())[1]
    }
    assert set(survivors_listed(EQUIVALENT.read_text())) <= there


@pytest.mark.parametrize(
    "line", ["a.py\tf\ta < b", "a.py\tf\ta < b\t ", "a\tf\ta<b\tx\na\tf\ta<b\ty"]
)
def test_a_list_that_says_too_little_or_something_twice_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line "):
        survivors_listed(line)
