"""README.md is true: its files are written, its commands run, its rules asked, in its order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import ENVIRONMENT, asked, serving

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEFAULT = "127.0.0.1:7070"
pytestmark = pytest.mark.xdist_group("readme")


def matches(expected, found):
    """Whether text is as shown, where ``...`` stands for anything; blanks at ends don't count."""
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in expected.strip().splitlines()]
    pattern = "\n".join(re.sub(r"(\\ )?\\\.\\\.\\\.", ".*?", re.escape(line)) for line in lines)
    shown = "\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in found.strip().splitlines())
    return re.fullmatch(pattern, shown, re.DOTALL) is not None


class Reader:
    """Someone who follows the page in a directory, with a server that is theirs."""

    def __init__(self, directory, address, started):
        self.directory, self.address, self.started = directory, address, started
        self.untrue = []
        programs = directory / "bin"
        programs.mkdir()
        headcount = programs / "headcount"
        headcount.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headcount_client "$@"\n')
        headcount.chmod(0o755)
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        self.environment = {**ENVIRONMENT, "PATH": path, "HEADCOUNT_ADDRESS": address}

    def follow(self, kind, rest, text):
        """Do what a block says; the commands that were run."""
        name, _, more = rest.strip().partition(" ")
        if kind in ("toml", "csv") and name:
            with (self.directory / name).open("a" if more == "+" else "w") as file:
                file.write(text)
        if kind != "console":
            return []
        commands = re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", text, re.MULTILINE)
        assert "".join(f"$ {command}\n{shown}" for command, shown in commands) == text
        for command, shown in commands:
            self.run(command, shown)
        return [command for command, _ in commands]

    def run(self, command, shown):
        if command == "pip install --quiet .":
            assert not shown  # see test_the_package_installs
            return
        if command.startswith("headcount serve "):
            found = self.started.replace(self.address, DEFAULT)
            found = re.sub(r"serving \S+ on", "serving audiences on", found)
            self.untrue += [] if matches(shown, found) else [found]
            return
        done = subprocess.run(
            ["sh", "-c", command], check=False, cwd=self.directory, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=60,
        )  # fmt: skip
        found = done.stdout + (f"[exit {done.returncode}]\n" if done.returncode else "")
        if not matches(shown, found):
            self.untrue.append(f"$ {command}\n{found}")

    def run_python(self, program, shown):
        done = subprocess.run(
            [sys.executable, "-c", program.replace(DEFAULT, self.address)],
            check=False, cwd=self.directory, env=ENVIRONMENT,
            capture_output=True, encoding="utf-8", timeout=60,
        )  # fmt: skip
        if done.returncode or done.stdout != shown:
            self.untrue.append(f"{program}\n{done.stdout}{done.stderr}")


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The page, followed from its top to its end."""
    directory = tmp_path_factory.mktemp("reader")
    with serving(directory / "audiences", "--log-level=warning") as (_, address):
        reader = Reader(directory, address, f"headcount 0.1.0 serving audiences on {address}")
        commands = []
        blocks = list(BLOCK.finditer(README))
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            kind, rest, text = block.groups()
            if kind == "python":
                assert following is not None
                assert following[1] == "text"
                reader.run_python(text, following[3])
            commands += reader.follow(kind, rest, text)
        yield reader, commands


def test_every_command_and_program_answers_as_shown(followed):
    reader, commands = followed
    assert not reader.untrue, "\n".join(reader.untrue)
    assert len(commands) >= 18
    first_count = next(i for i, one in enumerate(commands) if one.startswith("headcount count"))
    assert first_count + 1 == 5, "a first count takes five commands"


def rules_of_the_table():
    section = README.split("\n## Rules\n")[1].split("\n[RULES.md]")[0]
    return [
        rule
        for line in section.splitlines()
        if line.startswith("| ") and not line.startswith("| question")
        for rule in re.findall(r"`([^`]+)`", line)
    ]


def test_every_rule_of_the_table_is_answered(followed):
    reader, _ = followed
    rules = rules_of_the_table()
    assert len(rules) >= 40
    unanswered = {}
    for rule in rules:
        done = asked("count", "shop", rule, "--address", reader.address, "--as-of=2026-03-01")
        if done.code:
            unanswered[rule] = done.err
    assert not unanswered


def test_commands_and_options_in_its_sentences_exist():
    sentences = BLOCK.sub("", README)
    named = set(re.findall(r"`headcount ([a-z]+)", sentences))
    assert named
    for command in named:
        assert asked(command, "-h").code == 0, command
    for target in set(re.findall(r"`make ([a-z]+)", sentences)):
        done = subprocess.run(
            ["make", "-n", target], check=False, cwd=ROOT, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
    options = set(re.findall(r"`(--[a-z-]+)", sentences))
    helpful = ("import", "serve", "count", "watch", "segment create")
    helped = "".join(asked(*command.split(), "-h").out for command in helpful)
    assert {option for option in options if option not in helped} == set()


def test_the_package_installs(tmp_path):
    """``pip install .``: what is installed has the programs, the contract and the grammar."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path, ROOT],
        check=False, capture_output=True, encoding="utf-8", timeout=300, cwd=tmp_path,
    )  # fmt: skip
    if done.returncode and re.search("No matching distribution|connection|No module", done.stderr):
        pytest.skip(f"pip can't build it here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    for part in (
        "bin/headcount",
        "headcount/v1/query_service_pb2.py",
        "headcount_client/cli/app.py",
        "headcount_server/core/rules/grammar.lark",
    ):
        assert (tmp_path / part).exists(), part
