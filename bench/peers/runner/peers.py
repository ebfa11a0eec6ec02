"""Who is measured against machado, and at what."""

from dataclasses import dataclass

from .setup import OneDnnProgram, PythonScript, RustPackage
from .talk import Problem, say

TORCH = ("torch", "numpy")


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    tool: PythonScript | RustPackage | OneDnnProgram
    optimizer: str = "Nadam"


# A training step of the tutorial's model.
STEP_PEERS = (
    Peer("keras", "Keras", PythonScript("keras_step.py", "tensorflow", ("tensorflow-cpu",))),
    Peer("pytorch", "PyTorch, eager", PythonScript("pytorch_step.py", "torch", TORCH)),
    Peer("pytorch-compile", "PyTorch, torch.compile",
         PythonScript("pytorch_step.py", "torch", TORCH, ("--compile",))),
    Peer("jax", "JAX, jit", PythonScript("jax_step.py", "jax", ("jax", "optax"))),
    Peer("candle", "candle", RustPackage("peer-candle"), optimizer="Adam"),
    Peer("burn", "burn", RustPackage("peer-burn"), optimizer="Adam"),
)
# The GRU layer alone, forward and backward.
LAYER_PEERS = (Peer("onednn", "oneDNN", OneDnnProgram("onednn_gru.cpp"), optimizer=""),)

NAMES = tuple(peer.name for peer in STEP_PEERS + LAYER_PEERS)

BATCH_SIZE = 32
WINDOW = 128


@dataclass(frozen=True)
class LayerSize:
    hidden: int
    batch: int
    input: int

    def __str__(self):
        return f"hidden {self.hidden}, batch {self.batch}, input {self.input}"


# The tutorial's layer, and one that is wide enough for arithmetic to be all that counts.
LAYER_SIZES = (LayerSize(128, 32, 32), LayerSize(512, 64, 128))


@dataclass(frozen=True)
class Contender:
    """A peer that is ready to run, or why it is not."""

    peer: Peer
    command: tuple = ()
    unready: str = ""


@dataclass(frozen=True)
class Contest:
    """The same work for machado and its peers. `layer` is None where it is the training step."""

    machado: tuple
    contenders: tuple
    layer: LayerSize | None = None


def contests(settings, machado):
    """Makes the wanted peers ready, and says who does what. `machado` is the program."""
    step_peers = [make_ready(peer, settings) for peer in wanted(STEP_PEERS, settings)]
    layer_peers = [make_ready(peer, settings) for peer in wanted(LAYER_PEERS, settings)]
    found = []
    if step_peers:
        found.append(step_contest(step_peers, settings, machado))
    if layer_peers:
        found += [layer_contest(layer_peers, size, settings, machado) for size in LAYER_SIZES]
    return found


def wanted(peers, settings):
    return [peer for peer in peers if peer.name in settings.only]


def make_ready(peer, settings):
    try:
        return Contender(peer, tuple(peer.tool.command(settings)))
    except Problem as problem:
        say(f"{peer.name} is left out: {problem}")
        return Contender(peer, unready=str(problem))


def step_contest(contenders, settings, machado):
    command = (machado, "bench", settings.text, "--preset", "tutorial",
               "--batch-size", BATCH_SIZE, *bench_options(settings, of_measurements=5))
    return Contest(command, with_arguments(contenders, settings.text, settings.seconds))


def layer_contest(contenders, size, settings, machado):
    command = (machado, "bench", "--layer", "gru", "--units", size.hidden,
               "--batch-size", size.batch, "--input", size.input,
               *bench_options(settings, of_measurements=3))
    arguments = (size.hidden, size.batch, size.input, settings.seconds)
    return Contest(command, with_arguments(contenders, *arguments), size)


def bench_options(settings, of_measurements):
    """`machado bench` measures other things as well, such as writing, each for so many seconds.
    They share the time that a peer has for one."""
    seconds = settings.seconds / of_measurements
    return ("--window", WINDOW, "--threads", settings.threads, "--seconds", seconds, "--json")


def with_arguments(contenders, *arguments):
    return tuple(
        Contender(c.peer, (*c.command, *arguments) if c.command else (), c.unready)
        for c in contenders)
