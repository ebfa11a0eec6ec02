"""Making ready: each way to get a peer, and machado, from its source to a command that runs."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .talk import Problem, say

PEERS_FOLDER = Path(__file__).resolve().parent.parent
REPOSITORY = PEERS_FOLDER.parent.parent
DEBIAN_PACKAGES = ("g++", "libdnnl-dev")


@dataclass(frozen=True)
class PythonScript:
    """A script with the newest packages of PyPI in a virtual environment, which scripts share."""

    script: str
    environment: str
    packages: tuple
    options: tuple = ()

    def command(self, settings):
        python = python_with(self.packages, settings.work / f"venv-{self.environment}")
        script = PEERS_FOLDER / "python" / self.script
        return [python, script, "--threads", settings.threads, *self.options]


@dataclass(frozen=True)
class RustPackage:
    """A package of the workspace in `rust/`, with the versions in its Cargo.lock."""

    package: str

    def command(self, settings):
        target = settings.work / "rust"
        cargo_build(PEERS_FOLDER / "rust", ["--locked", "--package", self.package,
                                            "--target-dir", target], settings.work / self.package)
        return [target / "release" / self.package]


@dataclass(frozen=True)
class OneDnnProgram:
    """A C++ file, with the oneDNN that Debian has."""

    source: str

    def command(self, settings):
        source = PEERS_FOLDER / "cpp" / self.source
        program = settings.work / source.stem
        compiler = ["g++", "-O2", "-std=c++17", source, "-o", program, "-ldnnl"]
        log = settings.work / f"{source.stem}.log"
        try:
            run_logged(compiler, log)
        except Problem:
            if os.geteuid() != 0 or not shutil.which("apt-get"):
                raise
            say(f"installing {' and '.join(DEBIAN_PACKAGES)}")
            run_logged(["apt-get", "update"], log)
            run_logged(["apt-get", "install", "--yes", *DEBIAN_PACKAGES], log)
            run_logged(compiler, log)
        return [program]


def machado(settings):
    """The program that everything is compared to: MACHADO, or the repository's own."""
    given = os.environ.get("MACHADO")
    if given:
        found = shutil.which(given)
        if not found:
            raise Problem(f"MACHADO is {given!r}, which is no program that can be run")
        return Path(found).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    cargo_build(REPOSITORY, ["--locked"], settings.work / "machado")
    return REPOSITORY / target / "release" / "machado"


def version_of(machado):
    """`machado 0.1.0` without the name, or nothing where it does not say."""
    said = subprocess.run([machado, "--version"], capture_output=True, text=True)
    return said.stdout.strip().rpartition(" ")[2]


@cache
def python_with(packages, folder):
    """The Python of a virtual environment with these packages, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not installed(packages, python):
        say(f"installing {' and '.join(packages)} from PyPI")
        log = folder.with_suffix(".log")
        run_logged([sys.executable, "-m", "venv", "--clear", folder], log)
        run_logged([python, "-m", "pip", "install", *packages], log)
    return python


def installed(packages, python):
    if not python.exists():
        return False
    # The whole import would take seconds; pip writes a package's facts last.
    versions = f"from importlib.metadata import version\nfor name in {packages}: version(name)"
    return subprocess.run([python, "-c", versions], capture_output=True).returncode == 0


def cargo_build(folder, options, log):
    say(f"building {log.name}")
    # In the folder, as that is where cargo looks for its configuration.
    run_logged(["cargo", "build", "--release", *options], log.with_suffix(".log"), folder)


def run_logged(command, log, folder=None):
    """Runs a command with all that it says in a file, whose telling line is the Problem's text."""
    try:
        with open(log, "w", encoding="utf-8") as output:
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise Problem(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        said = log.read_text(encoding="utf-8", errors="replace")
        raise Problem(f"{telling_line(said)} (all of it in {log})")


def telling_line(said):
    """The first line that speaks of an error, or else the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines[-1:] or ["it failed and said nothing"])[0]
