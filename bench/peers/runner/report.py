"""The tables, in Markdown, and every figure, in JSON."""

import json
from statistics import median

from .peers import BATCH_SIZE, WINDOW

STEP_HEAD = (
    "| | version | optimizer | ms per step | min–max | × machado |",
    "|---|---|---|---:|---:|---:|",
)
LAYER_HEAD = (
    "| GRU layer | | version | forward, ms | backward, ms | both, ms | min–max | × machado |",
    "|---|---|---|---:|---:|---:|---:|---:|",
)

# In CPUs. Less than this any machine has going on.
DISTURBING = 0.1


def tables(contests, played, facts):
    lines = []
    steps = [(i, contest) for i, contest in enumerate(contests) if contest.layer is None]
    layers = [(i, contest) for i, contest in enumerate(contests) if contest.layer is not None]
    for index, contest in steps:
        lines += [f"A training step: batch {BATCH_SIZE}, window {WINDOW}, "
                  f"{facts['vocabulary_size']} characters of {facts['text']}.", ""]
        lines += [*STEP_HEAD, *rows(index, contest, played, facts, step_cells), ""]
    if layers:
        lines += [f"The GRU layer alone, forward and backward: window {WINDOW}.", "", *LAYER_HEAD]
        for index, contest in layers:
            lines += rows(index, contest, played, facts, layer_cells)
        lines.append("")
    return "\n".join([*lines, machine_line(played, facts), *warning(played), ""])


def rows(index, contest, played, facts, cells):
    """machado's row, which is all of its runs, and one for each peer."""
    def runs_of(name):
        return [run for run in played.runs if run.contest == index and run.name == name]

    def made(title, optimizer, runs, version, reason=""):
        if not runs:
            version = f"not measured: {reason or 'stopped before'}"
        # A reason may hold what would end a cell.
        row = cells(contest.layer, title, optimizer, version.replace("|", "/"), runs)
        return "| " + " | ".join(row) + " |"

    found = [made("machado", "Nadam", runs_of("machado"), facts["machado"])]
    for contender in contest.contenders:
        peer, runs = contender.peer, runs_of(contender.peer.name)
        version = runs[0].figures["version"] if runs else ""
        reason = contender.unready or played.failures.get((index, peer.name))
        found.append(made(peer.title, peer.optimizer, runs, version, reason))
    return found


def step_cells(_, title, optimizer, version, runs):
    return [title, version, optimizer, *spread(runs), ratio(runs)]


def layer_cells(layer, title, _, version, runs):
    return [str(layer), title, version, middle(run.figures["forward_ms"] for run in runs),
            middle(run.figures["backward_ms"] for run in runs), *spread(runs), ratio(runs)]


def middle(values):
    values = list(values)
    return f"{median(values):.2f}" if values else ""


def spread(runs):
    times = [run.ms for run in runs]
    return middle(times), f"{min(times):.2f}–{max(times):.2f}" if times else ""


def ratio(runs):
    ratios = [run.ratio for run in runs]
    if None in ratios:
        return "1"
    return f"{median(ratios):.2f}" if ratios else ""


def machine_line(played, facts):
    """What it ran on, with what machado's own benchmark knows of it."""
    known = [run.figures for run in played.runs if "peak_gflops" in run.figures]
    parts = [facts["cpu"], f"{facts['cores']} cores ({facts['cpus']} CPUs)",
             "1 thread" if facts["threads"] == 1 else f"{facts['threads']} threads"]
    if known:
        # Whatever disturbs a measurement of the peak only makes it smaller.
        peak = max(figures["peak_gflops"] for figures in known)
        parts.append(f"{known[0].get('vector_unit')}, peak {peak:.0f} GFLOP/s")
    return ", ".join(parts) + "."


def warning(played):
    taken = [run.others for run in played.runs if run.others is not None]
    disturbed = [others for others in taken if others > DISTURBING]
    if not disturbed:
        return []
    return ["", f"**Not to be relied on:** in {len(disturbed)} of {len(taken)} runs other programs "
            f"took CPUs from what was measured, {max(disturbed):.1f} at the most. Some peers suffer "
            "from that far more than others."]


def write_json(path, contests, played, facts):
    runs = [{"what": str(contests[run.contest].layer or "training step"), "round": run.round,
             "name": run.name, "ms": run.ms, "ratio": run.ratio, "cpus_taken_by_others": run.others,
             "figures": run.figures}
            for run in played.runs]
    unready = {c.peer.name: c.unready for contest in contests for c in contest.contenders
               if c.unready}
    failed = {name: reason for (_, name), reason in played.failures.items()}
    whole = {"machine": facts, "not_measured": unready | failed, "runs": runs}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
