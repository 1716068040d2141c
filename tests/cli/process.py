"""The program as a user runs it: processes of their own, and in-process where many are asked."""

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from headcount_client.cli.app import run

PROGRAM = [sys.executable, "-m", "headcount_client"]
READY_S = 60
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "HEADCOUNT_ADDRESS"},
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    "PYTHONIOENCODING": "utf-8",
    "COLUMNS": "100",
}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """What it printed, which must be one JSON object or list."""
        return json.loads(self.out)

    @property
    def lines(self):
        """What it printed, which must be JSON on every line."""
        return [json.loads(line) for line in self.out.splitlines()]


def headcount(*arguments, input=None, env=None, cwd=None):
    """Run the program in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        check=False, input=input, capture_output=True, text=True,
        encoding="utf-8", timeout=300, env={**ENVIRONMENT, **(env or {})}, cwd=cwd,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def asked(*arguments):
    """Run the program's command line in this process, which is faster."""
    raw = io.BytesIO()
    out, err = io.TextIOWrapper(raw, "utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(map(str, arguments)))
    out.flush()
    return Done(code, raw.getvalue().decode(), err.getvalue())


@contextmanager
def serving(data, *options):
    """A server process on a free port.

    Yields:
        The process, and its address.
    """
    log = Path(data).parent / f"{Path(data).name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--data", str(data), "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT,
        )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line, f"the server didn't start: {log.read_text()}"
        yield process, line.split()[-1]
    finally:
        process.terminate()
        try:
            process.wait(READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
