"""Generates the Python stubs beside the .proto files; ``--check`` fails if they are not current."""

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def generate(out: Path) -> None:
    """Writes the stubs of every .proto file below ``out``."""
    import grpc_tools

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    scripts = Path(sysconfig.get_path("scripts"))
    protos = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "headcount" / "v1").glob("*.proto"))
    services = [p for p in protos if p.endswith("_service.proto")]
    base = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"-I{well_known}"]
    plugins = [
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
    ]
    messages = [f"--python_out={out}", f"--mypy_out=quiet:{out}"]
    subprocess.run([*base, *plugins, *messages, *protos], check=True)
    stubs = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
    subprocess.run([*base, *plugins, *stubs, *services], check=True)


def stale(out: Path) -> list[str]:
    """Names of generated files that differ from the committed ones."""
    names = {p.name for p in (out / "headcount" / "v1").iterdir()}
    committed = {p.name for p in (ROOT / "headcount" / "v1").glob("*_pb2*")}
    different = names ^ committed
    for name in names & committed:
        new = (out / "headcount" / "v1" / name).read_bytes()
        if new != (ROOT / "headcount" / "v1" / name).read_bytes():
            different.add(name)
    return sorted(different)


def main() -> int:
    """Generates, or with ``--check`` compares; 1 if something is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        different = stale(Path(directory))
    for name in different:
        print(f"proto/headcount/v1/{name} is not current: run `make stubs`", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
