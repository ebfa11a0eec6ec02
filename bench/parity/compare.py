"""Trains the tutorial's model in Keras for a moment, and compares what machado makes of its file.

Called by `run`: compare.py PROGRAM TEXT WORK-FOLDER WINDOWS STEPS
"""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
from keras import layers

WINDOW, BATCH, SHIFT = 128, 32, 25
# Steps that Keras takes before machado sees the model, so that moments are not zero.
FIRST_STEPS = 100
# Steps between two lines of the curves.
LINE_EVERY = 20

# The bars. Both sides compute in 32-bit floats, in another order; over many steps of training, small
# differences grow.
PROBABILITIES = 1e-5
LOSS = 5e-5
FIRST_TEN, ALL_STEPS = 1e-5, 1e-3


class Comparison:
    """The figures, and whether one is beyond its bar."""

    def __init__(self):
        self.failed = False

    def add(self, what, difference, bar):
        fits = difference <= bar
        self.failed |= not fits
        print(f"{what:58}{difference:10.1e}   at most {bar:.0e}{'' if fits else '   TOO LARGE'}",
              flush=True)


class Machado:
    """The program."""

    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments):
        command = [self.program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"compare.py: {' '.join(command)}\n{done.stderr}")
        return done.stdout

    def probabilities(self, model, prompts, size):
        """What may follow each prompt, [prompts, tokens]."""
        def of(prompt):
            told = json.loads(self("predict", "--model", model, "--top", size, "--json",
                                   "--threads", 1, "--", prompt))
            row = np.zeros(size)
            for candidate in told["candidates"]:
                row[candidate["id"]] = candidate["probability"]
            return row

        with ThreadPoolExecutor(2) as pool:
            return np.array(list(pool.map(of, prompts)))


def tutorial(size):
    """The tutorial's model."""
    model = keras.Sequential([
        keras.Input((None,), dtype="int32"),
        layers.Embedding(size, 16),
        layers.Conv1D(32, 3, padding="causal", activation="relu"),
        layers.GRU(128, return_sequences=True),
        layers.Dense(size, activation="softmax"),
    ])
    model.compile("nadam", "sparse_categorical_crossentropy")
    return model


def batches(ids, first, count):
    """Batches of windows in the order of the text, as `machado train --shuffle-buffer 0` has them."""
    for number in range(first, first + count):
        starts = range(number * BATCH * SHIFT, (number + 1) * BATCH * SHIFT, SHIFT)
        windows = np.array([ids[start:start + WINDOW + 1] for start in starts])
        yield windows[:, :-1], windows[:, 1:]


def train(model, data):
    """The loss of each step."""
    losses = []
    for inputs, targets in data:
        model.reset_metrics()  # Or else Keras gives the mean over all steps so far.
        losses.append(float(model.train_on_batch(inputs, targets)))
    return np.array(losses)


def loss_of(model, ids):
    """Nats per token of a text read at once, from an empty state."""
    probabilities = model.predict(ids[None, :-1], verbose=0)[0].astype(np.float64)
    return float(-np.log(probabilities[np.arange(len(ids) - 1), ids[1:]]).mean())


def losses_of_run(folder):
    events = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return np.array([event["loss"] for event in events if event["event"] == "step"])


def print_curves(ours, theirs):
    print(f"\n{'step':>6}  {'machado':>10}  {'Keras':>10}")
    for step in range(len(ours)):
        if step == 0 or (step + 1) % LINE_EVERY == 0:
            print(f"{step + 1:>6}  {ours[step]:>10.6f}  {theirs[step]:>10.6f}")
    print()


def main(program, text_path, work, windows, steps, held_out_size):
    machado, compared = Machado(program), Comparison()
    text = Path(text_path).read_text(encoding="utf-8").lower()
    # Most frequent first, of equals the higher code point: TextVectorization's order.
    order = sorted(set(text), key=lambda c: (text.count(c), c), reverse=True)
    ids = np.array([order.index(c) for c in text], np.int32)
    needed = max(FIRST_STEPS, steps) * BATCH * SHIFT + WINDOW + 1 + held_out_size
    if len(ids) < needed:
        sys.exit(f"compare.py: {text_path} has {len(ids)} characters, but {needed} are needed; "
                 "give a longer text, or fewer --steps")
    held_out = ids[-held_out_size:]
    work = Path(work)
    (work / "text.txt").write_text(text, encoding="utf-8")
    (work / "held-out.txt").write_text("".join(order[i] for i in held_out), encoding="utf-8")
    backend = keras.backend.backend()
    print(f"Keras {keras.__version__} ({backend}), {machado('--version').strip()}\n"
          f"{len(text)} characters, {len(order)} different ones\n")

    keras.utils.set_random_seed(1)
    model = tutorial(len(order))
    train(model, batches(ids, 0, FIRST_STEPS))
    model.save(work / "keras.keras")
    start = work / "start.keras"
    machado("convert", work / "keras.keras", work / "start.safetensors",
            "--vocabulary", work / "text.txt", "--overwrite")
    machado("convert", work / "start.safetensors", start, "--overwrite")

    random = np.random.RandomState(2)
    places = random.randint(0, len(ids) - WINDOW, windows)
    contexts = np.array([ids[place:place + WINDOW] for place in places])
    prompts = [text[place:place + WINDOW] for place in places]

    def compare_probabilities(what, ours, theirs):
        found = machado.probabilities(ours, prompts, len(order))
        expected = theirs.predict(contexts, verbose=0, batch_size=100)[:, -1]
        compared.add(f"{what}: probabilities after {windows} windows",
                     np.abs(found - expected).max(), PROBABILITIES)

    def compare_losses(what, ours, theirs):
        told = json.loads(machado("evaluate", work / "held-out.txt", "--model", ours, "--json"))
        assert told["tokens"] == held_out_size - 1, told
        compared.add(f"{what}: loss of {held_out_size} characters",
                     abs(told["loss_nats"] - loss_of(theirs, held_out)), LOSS)

    compare_probabilities("Keras to machado", work / "start.safetensors", model)
    compare_losses("Keras to machado", work / "start.safetensors", model)

    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    machado("train", work / "text.txt", "--from", start, "--out", run, "--standardize", "none",
            "--steps", steps, "--window", WINDOW, "--batch-size", BATCH, "--shift", SHIFT,
            "--shuffle-buffer", 0, "--sampling", "windows", "--target", "all",
            "--schedule", "constant", "--warmup-steps", 0, "--split", "1.0:0.0",
            "--log-every", 1, "--sample-every", 0, "--progress", "none")
    found, expected = losses_of_run(run), train(model, batches(ids, 0, steps))
    print_curves(found, expected)
    differences = np.abs(found - expected)
    compared.add("training on: losses of the first 10 steps", differences[:10].max(), FIRST_TEN)
    compared.add(f"training on: losses of {steps} steps", differences.max(), ALL_STEPS)

    back = work / "back.keras"
    machado("convert", run / "last.safetensors", back, "--overwrite")
    opened = keras.models.load_model(back)
    compare_probabilities("machado to Keras", run / "last.safetensors", opened)
    compare_losses("machado to Keras", run / "last.safetensors", opened)
    iterations = int(opened.optimizer.iterations)
    assert iterations == FIRST_STEPS + steps, iterations
    return int(compared.failed)


if __name__ == "__main__":
    _, program, text, work_folder, *sizes = sys.argv
    sys.exit(main(program, text, work_folder, *map(int, sizes)))
