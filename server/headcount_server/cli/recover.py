"""``headcount recover``: what of a damaged data directory can be had back, and at what loss."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from headcount_server.app import EXIT_FAILED, salvage
from headcount_server.engine.salvage import Salvage
from headcount_server.errors import HeadcountError


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:  headcount recover --data ./audiences --accept-loss",
)
@click.option(
    "--data",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The data directory; no server may be using it.",
)
@click.option("--accept-loss", is_flag=True, help="Do it: give up what is told.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def recover(data: Path, accept_loss: bool, as_json: bool) -> None:
    """Tell what of a damaged data directory can be had back, and what would be given up.

    Nothing is changed without --accept-loss. With it what can't be had back is moved to lost-N in
    the directory, and the rest is kept as a snapshot, from which the server starts.

    Exit code 0: the server can start; 3: it can't without a loss, or nothing could be done.
    """
    try:
        found = salvage(data, accept_loss)
    except (HeadcountError, OSError) as error:
        click.echo(f"headcount: {error}", err=True)
        sys.exit(EXIT_FAILED)
    click.echo(_as_json(found) if as_json else _as_text(found, data))
    sys.exit(EXIT_FAILED if found.problem and found.moved is None else 0)


def _as_json(found: Salvage) -> str:
    plain = asdict(found) | {"moved": None if found.moved is None else str(found.moved)}
    return json.dumps(plain, ensure_ascii=False)


def _as_text(found: Salvage, data: Path) -> str:
    if not found.problem:
        return "nothing is damaged that a start needs: nothing to give up"
    done = found.moved is not None
    lines = [found.problem, "", "Kept:" if done else "Can be kept:"]
    lines += [f"  {one}" for one in found.kept]
    lines += ["", "Given up:" if done else "Would be given up:"]
    lines += [f"  {one}" for one in found.losses]
    if done:
        lines += ["", f"What was given up is in {found.moved}."]
    else:
        lines += ["", f"headcount recover --data {data} --accept-loss does it."]
    return "\n".join(lines)
