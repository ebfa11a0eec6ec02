"""The machine: what it is, and the same share of it for everyone who is measured."""

import os
import platform
from collections import Counter
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


def pin(threads):
    """Leaves this program and all that it starts as many CPUs as threads, on separate cores while
    there are enough. So a peer that cannot be told its number of threads has no more than others.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, one_per_core_first(available_cpus())[:threads])


def available_cpus():
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def one_per_core_first(cpus):
    earlier_on_the_core = Counter()
    ranked = []
    for cpu in cpus:
        ranked.append((earlier_on_the_core[core_of(cpu)], cpu))
        earlier_on_the_core[core_of(cpu)] += 1
    return [cpu for _, cpu in sorted(ranked)]


def core_of(cpu):
    """Names the core by the CPUs that share it; where that is unknown, each CPU is a core."""
    try:
        return (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def facts():
    cpus = range(os.cpu_count() or 1)
    return {"cpu": cpu_model(), "cores": len({core_of(cpu) for cpu in cpus}), "cpus": len(cpus)}


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def environment(threads, work):
    """The environment of everyone who is measured."""
    changed = dict(os.environ)
    # Some machines set these for one kind of CPU, and numpy is slow on another. The Python ones
    # would lead a virtual environment to packages outside it.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME"):
        changed.pop(name, None)
    # NPROC is how XLA, below JAX, is told.
    for name in ("OMP", "MKL", "OPENBLAS", "RAYON"):
        changed[f"{name}_NUM_THREADS"] = str(threads)
    changed["NPROC"] = str(threads)
    # It is CPUs that are compared, whatever else the machine has.
    changed |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    changed["PYTHONDONTWRITEBYTECODE"] = "1"
    changed["TORCHINDUCTOR_CACHE_DIR"] = str(work / "torch-compile")
    return changed
