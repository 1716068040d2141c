"""The service driven by another language's gRPC stack: Node's, from the .proto files alone."""

import json
import shutil
import subprocess
from pathlib import Path

import google.rpc
import pytest

from tests.cli.process import serving

HERE = Path(__file__).parent
PROTOS = HERE.parents[1] / "proto"
INSTALL_S, RUN_S = 180, 60
pytestmark = pytest.mark.xdist_group("node")


def installed(directory):
    """A directory with the packages of package.json, or a skip that says why not."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}, which isn't installed")
    for name in ("package.json", "drive.js"):
        shutil.copy(HERE / name, directory)
    try:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
            check=False, cwd=directory, capture_output=True, text=True, timeout=INSTALL_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm didn't install the packages within {INSTALL_S} s")
    if done.returncode:
        pytest.skip(f"npm can't install the packages: {done.stderr.strip()[-300:]}")
    return directory


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What Node was answered, step by step."""
    directory = installed(tmp_path_factory.mktemp("node"))
    google_protos = Path(next(iter(google.rpc.__path__))).parents[1]
    with serving(directory / "audiences", "--log-level=warning") as (_, address):
        done = subprocess.run(
            ["node", "drive.js", address, str(PROTOS), str(google_protos)],
            check=False, cwd=directory, capture_output=True, text=True, timeout=RUN_S,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_audience_subscribers_and_events_are_written(answers):
    assert answers["created"] == "shop"
    written = answers["written"]
    assert written["upserted"]["acceptedCount"] == written["upserted"]["createdCount"] == 3
    assert written["recorded"]["acceptedCount"] == 3
    assert written["recorded"]["revision"] > written["upserted"]["revision"] > 0


def test_rule_text_and_rule_tree_are_counted(answers):
    counted = answers["counted"]
    by_text, by_tree, again = counted["byText"], counted["byTree"], counted["again"]
    assert (by_text["total"], by_text["reachable"], by_text["audienceSize"]) == (3, 2, 3)
    assert (by_tree["total"], by_tree["reachable"]) == (1, 1)
    assert again["total"] == 1
    assert counted["formatted"] == (
        'country = "DE" and did purchase where (amount > 40) in last 30 days'
    )


def test_an_errors_details_say_what_and_where(answers):
    refused = answers["refused"]["unknown attribute"]
    assert refused["code"] == refused["status"] == 3  # INVALID_ARGUMENT
    assert "did you mean" in refused["message"]
    info = refused["details"]["google.rpc.ErrorInfo"]
    assert info["domain"].startswith("headcount")
    assert info["reason"] == "INVALID_RULE"
    (violation,) = refused["details"]["google.rpc.BadRequest"]["fieldViolations"]
    assert violation["field"] == "rule.attribute.name"
    assert "contry" in violation["description"]


def test_missing_and_empty_have_their_own_codes(answers):
    refused = answers["refused"]
    assert refused["no audience"]["code"] == 5  # NOT_FOUND
    assert refused["empty request"]["code"] == 3
    violations = refused["empty request"]["details"]["google.rpc.BadRequest"]["fieldViolations"]
    assert "audience" in [violation["field"] for violation in violations]


def test_a_server_stream_is_read_to_its_end(answers):
    assert sorted(answers["exported"]) == ["ann", "bob", "cem"]


def test_writes_over_a_bidirectional_stream_are_answered_one_by_one(answers):
    accepted, refused, deleted = answers["streamed"]["answers"]
    assert [one["index"] for one in (accepted, refused, deleted)] == [0, 1, 2]
    assert accepted["accepted"]["createdCount"] == 2
    assert refused["refused"]["code"] == 3
    assert [row["index"] for row in refused["refused"]["badRows"]] == [1]
    assert deleted["accepted"]["acceptedCount"] == 1
    assert answers["streamed"]["after"] == 1  # dan: fay's batch was refused whole
