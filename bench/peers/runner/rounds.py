"""The rounds: everyone in turn, each between two runs of machado.

A machine that others use as well is now faster, now slower. What a peer takes is compared with what
machado took just before and just after it, and the median of these ratios over the rounds is told.
"""

import json
import subprocess
from dataclasses import dataclass, replace

from . import machine
from .others import Watch
from .talk import Problem, say

# Far more than any of them needs, compiling included.
RUN_LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Run:
    """One run in one contest: of machado, or of a peer with its ratio to machado's around it.
    `others` is how many CPUs other programs took meanwhile."""

    contest: int
    round: int
    name: str
    figures: dict
    ms: float
    others: float | None
    ratio: float | None = None


@dataclass
class Played:
    """All that was measured, and why a peer fell out: (contest, name) to the reason."""

    runs: list
    failures: dict


def play(contests, settings):
    """Plays all rounds of all contests. Returns what was measured, and whether it is all: Ctrl-C
    ends it early, and what there is till then is worth a table."""
    played = Played([], {})
    environment = machine.environment(settings.threads, settings.work)

    def run(name, command):
        return figures_of(name, command, environment, settings.work / f"{name}-run.log")

    try:
        for number in range(1, settings.rounds + 1):
            say(f"round {number} of {settings.rounds}")
            for index, contest in enumerate(contests):
                play_round(index, contest, number, run, played)
    except KeyboardInterrupt:
        say("stopped: the table holds what was measured till now")
        return played, False
    return played, True


def play_round(index, contest, number, run, played):
    def measured(name, command):
        watch = Watch()
        figures = run(name, command)
        ms = total_ms(name, figures)
        say(f"  {name} {contest.layer or 'training step'}: {ms:.2f} ms")
        return Run(index, number, name, figures, ms, watch.cpus_taken())

    def machado():
        played.runs.append(measured("machado", contest.machado))
        return played.runs[-1].ms

    before = machado()
    for contender in contest.contenders:
        name = contender.peer.name
        if contender.unready or (index, name) in played.failures:
            continue
        try:
            peer = measured(name, contender.command)
        except Problem as problem:
            say(f"  {problem}")
            played.failures[index, name] = str(problem)
            continue
        after = machado()
        played.runs.append(replace(peer, ratio=peer.ms / ((before + after) / 2)))
        before = after


def figures_of(name, command, environment, log):
    """Runs a command that prints one JSON object. What it says besides is left in `log`."""
    try:
        with open(log, "w", encoding="utf-8") as talk:
            done = subprocess.run([str(word) for word in command], env=environment, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=talk,
                                  timeout=RUN_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Problem(f"{name} took longer than {RUN_LIMIT_SECONDS} seconds") from None
    except OSError as error:
        raise Problem(f"{name} cannot be run: {error.strerror}: {command[0]}") from None
    if done.returncode != 0:
        raise Problem(f"{name} failed with exit code {done.returncode}: {last_words(log)}")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise Problem(f"{name} printed no JSON object but {done.stdout[:200]!r}") from None


def last_words(log):
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # Rust ends a panic with a note on how to see more.
    telling = [line for line in lines if line.strip() and not line.startswith("note:")]
    return f"{telling[-1].strip()} (all of it in {log})" if telling else "it said nothing"


def total_ms(name, figures):
    """Of a training step, or of a layer's way forward and back."""
    try:
        if "forward_ms" in figures:
            return figures["forward_ms"] + figures["backward_ms"]
        return figures.get("train", figures)["ms_per_step"]
    except (KeyError, TypeError, AttributeError):
        raise Problem(f"{name} printed no time of a step but {figures!r}") from None
