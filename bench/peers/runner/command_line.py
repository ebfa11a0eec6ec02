"""What was typed, and what it means once it has been checked."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .peers import NAMES
from .setup import PEERS_FOLDER, REPOSITORY

SAMPLE_TEXT = REPOSITORY / "assets" / "contos.txt"
# A window and what follows it. Less is no text to learn from.
SHORTEST_TEXT = 1000


@dataclass(frozen=True)
class Settings:
    text: Path
    rounds: int
    seconds: float
    threads: int
    only: tuple
    work: Path
    json: Path | None

    def facts(self):
        vocabulary = set(self.text.read_text(encoding="utf-8").lower())
        return {"threads": self.threads, "rounds": self.rounds, "seconds": self.seconds,
                "text": self.text.name, "vocabulary_size": len(vocabulary)}


def settings(description):
    """Reads the command line; a mistake ends the program with a message and exit code 2."""
    parser = make_parser(description)
    given = parser.parse_args()
    for check in (check_text, check_threads, check_work, check_json):
        mistake = check(given)
        if mistake:
            parser.error(mistake)
    return Settings(given.text.resolve(), given.rounds, given.seconds, given.threads,
                    given.only, given.work.resolve(), given.json)


def make_parser(description):
    parser = argparse.ArgumentParser(
        prog="run", description=description, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--text", metavar="FILE", type=Path, default=SAMPLE_TEXT,
        help="text to train on, in UTF-8 [default: the repository's assets/contos.txt]")
    add("--rounds", metavar="N", type=at_least_one, default=5,
        help="how often everything is measured [default: 5]")
    add("--seconds", metavar="S", type=positive, default=5.0,
        help="how long a measurement takes, after half of that as warm-up [default: 5]")
    add("--threads", metavar="N", type=at_least_one, default=2,
        help="threads for each of them [default: 2]")
    add("--only", metavar="NAME[,NAME]", type=peer_names, default=NAMES,
        help="measure machado and these peers only [default: all]")
    add("--work", metavar="DIR", type=Path, default=PEERS_FOLDER / ".work",
        help="where virtual environments, builds and logs are kept [default: bench/peers/.work]")
    add("--json", metavar="FILE", type=Path, help="also write every figure to this file")
    return parser


EPILOG = f"""\
peers: {", ".join(NAMES)}

The first run installs Python packages from PyPI into --work, builds the Rust peers with cargo, and
installs g++ and libdnnl-dev with apt-get where they are missing and it is run as root. A peer that
cannot be set up is named in the table with the reason, and the others are measured.

The machado that is measured is the program in the variable MACHADO; without it, the repository's
is built and taken.
"""


def at_least_one(text):
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, found {text!r}")


def positive(text):
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < 3600:
        return number
    raise argparse.ArgumentTypeError(f"expected seconds between 0 and 3600, found {text!r}")


def peer_names(text):
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(NAMES)}; found {name!r}")
    return names


def check_text(given):
    try:
        length = len(given.text.read_text(encoding="utf-8"))
    except OSError as error:
        return f"--text: cannot read {str(given.text)!r}: {error.strerror}"
    except UnicodeDecodeError as error:
        return f"--text: {str(given.text)!r} is not UTF-8: byte {error.start} cannot be decoded"
    if length < SHORTEST_TEXT:
        return f"--text: expected {SHORTEST_TEXT} characters or more, {given.text} has {length}"
    return None


def check_threads(given):
    available = len(machine.available_cpus())
    if given.threads > available:
        return f"--threads: {given.threads} are wanted, but this program may use {available} CPUs"
    return None


def check_work(given):
    try:
        given.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"--work: cannot make the folder {str(given.work)!r}: {error.strerror}"
    return None


def check_json(given):
    """Now rather than after all has been measured."""
    if given.json is None:
        return None
    try:
        given.json.touch()
    except OSError as error:
        return f"--json: cannot write {str(given.json)!r}: {error.strerror}"
    return None
