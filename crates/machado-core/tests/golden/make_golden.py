"""Make the golden test fixtures: small JSON files of values computed by Keras.

Each file next to this script holds inputs and the results Keras gives for
them, so that the Rust tests can compare their own results:

    gru_forward.json        one GRU layer, forward, with an initial state
    gradients.json          embedding, conv1d, gru, dense: loss and gradients
    gradients_two_gru.json  the same with a second GRU layer
    gradients_last.json     the same with the last step as the only target
    gradients_reset_before.json  the same with a GRU with reset_after=False
    optimizers.json         values of two variables after each optimizer step
    training.json           ten batches, their losses and the final weights, twice:
                            with exact Nadam and as Model.fit does it
    vocabulary.json         TextVectorization vocabularies and ids
    schedules.json          CosineDecay learning rates
    initializers.json       limits and properties of the default initializers

An array is {"shape": [...], "data": [...]}, row-major.  Every number is the
shortest decimal that gives back the same float32.

How to run (about ten seconds on a CPU):

    python3 -m venv venv && venv/bin/pip install tensorflow-cpu
    venv/bin/python make_golden.py

The weights and data come from numpy's RandomState, whose stream is frozen, so
they do not depend on the Keras version.  The computed values do, in their last
digits, and on the processor too.  The committed files were made with Python
3.11.7, Keras 3.15.1, TensorFlow 2.21.0 and numpy 2.4.6.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
import tensorflow as tf

VOCABULARY, EMBEDDING, FILTERS, WIDTH = 11, 4, 5, 3
UNITS, UNITS_1 = 6, 5
BATCH, TIME = 3, 7


# Writing


def number(x):
    """The float32 `x` as a Python float that prints in its shortest form."""
    return float(str(np.float32(x)))


def array(x):
    x = np.asarray(x)
    convert = int if np.issubdtype(x.dtype, np.integer) else number
    return {"shape": list(x.shape), "data": [convert(v) for v in x.ravel()]}


def arrays(named):
    return {name: array(x) for name, x in named.items()}


def numbers(named):
    """Like `arrays`, for vectors: plain lists."""
    return {name: [number(v) for v in np.asarray(x)] for name, x in named.items()}


def write(file, content):
    """Write `content`, one line per top-level key and per item of a list."""
    made_with = {"keras": keras.__version__, "tensorflow": tf.__version__}

    def dump(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    lines = []
    for key, value in {"made_with": made_with, **content}.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(map(dump, value)) + "\n]"
        else:
            text = dump(value)
        lines.append(f"{dump(key)}:{text}")
    path = Path(__file__).parent / file
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{file:24}{path.stat().st_size:7} bytes")


# Models


def random_normal(random, shape, scale):
    return random.normal(0.0, scale, shape).astype(np.float32)


def variables(layers):
    """All weights of `layers`, named like "gru/kernel"."""
    return {f"{layer.name}/{v.name}": v for layer in layers for v in layer.weights}


def randomize(named, random):
    """Give every variable random values; none may be zero."""
    for variable in named.values():
        values = random_normal(random, variable.shape, 0.4)
        assert np.all(values != 0.0)
        variable.assign(values)


def build_model(two_gru=False, last=False, reset_after=True):
    """The tutorial's model, small; its output is the logits."""
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((None,), dtype="int32"),
        layers.Embedding(VOCABULARY, EMBEDDING, name="embedding"),
        layers.Conv1D(FILTERS, WIDTH, padding="causal", activation="relu", name="conv1d"),
        layers.GRU(UNITS, return_sequences=not last, reset_after=reset_after, name="gru"),
    ])
    if two_gru:
        model.add(layers.GRU(UNITS_1, return_sequences=True, name="gru_1"))
    model.add(layers.Dense(VOCABULARY, name="dense"))
    return model


def loss_and_gradients(model, inputs, targets):
    """Logits, mean loss in nats, and the gradient of every weight."""
    named = variables(model.layers)
    with tf.GradientTape() as tape:
        logits = model(inputs)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(
            targets, logits, from_logits=True))
    gradients = tape.gradient(loss, [v.value for v in named.values()])
    return logits, loss, dict(zip(named, gradients))


def dense(gradients):
    """The same gradients, with that of the embedding, a tf.IndexedSlices with
    one row per position of the batch, summed into a tensor."""
    return {name: tf.convert_to_tensor(g) for name, g in gradients.items()}


def random_windows(random):
    """Inputs [B, T], and the targets [B, T]: the same windows one token later."""
    windows = random.randint(0, VOCABULARY, (BATCH, TIME + 1)).astype(np.int32)
    return windows[:, :-1], windows[:, 1:]


# Files


def make_gru_forward():
    random = np.random.RandomState(1)
    gru = keras.layers.GRU(UNITS, return_sequences=True, name="gru")
    x = random_normal(random, (BATCH, TIME, FILTERS), 1.0)
    h0 = random_normal(random, (BATCH, UNITS), 0.5)
    gru.build(x.shape)
    assert gru.reset_after
    randomize(variables([gru]), random)
    write("gru_forward.json", {
        "input": array(x),
        "initial_state": array(h0),
        "weights": arrays(variables([gru])),
        "output": array(gru(x, initial_state=h0)),
    })


def make_gradients(file, seed, two_gru=False, last=False, reset_after=True):
    random = np.random.RandomState(seed)
    model = build_model(two_gru, last, reset_after)
    randomize(variables(model.layers), random)
    inputs, targets = random_windows(random)
    if last:
        targets = targets[:, -1]
    logits, loss, gradients = loss_and_gradients(model, inputs, targets)

    # The loss comes from the logits; from the probabilities it is the same.
    probabilities = tf.nn.softmax(logits).numpy()
    of_target = np.take_along_axis(probabilities, targets[..., None], -1)
    assert abs(-np.log(of_target).mean() - loss) < 1e-6
    hits = keras.metrics.sparse_categorical_accuracy(targets, probabilities)

    write(file, {
        "inputs": array(inputs),
        "targets": array(targets),
        "weights": arrays(variables(model.layers)),
        "probabilities": array(probabilities),
        "loss": number(loss),
        "accuracy": number(np.mean(hits)),
        "gradients": arrays(dense(gradients)),
    })


OPTIMIZERS = {
    "nadam": keras.optimizers.Nadam,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}
ADAM = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
# Name, all the arguments that matter, and the scale of each step's gradients.
OPTIMIZER_CASES = [
    ("nadam", ADAM, [1] * 8),
    ("nadam", {"learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.67, "epsilon": 1e-5}, [1] * 5),
    ("adam", ADAM, [1] * 8),
    ("adamw", {**ADAM, "learning_rate": 0.01, "weight_decay": 0.01}, [1] * 6),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.0, "nesterov": False}, [1] * 4),
    ("sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": False}, [1] * 6),
    ("sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}, [1] * 6),
    ("nadam", {**ADAM, "global_clipnorm": 0.5}, [0.05, 1, 0.1, 2, 0.02, 1]),
]


def optimizer_case(random, name, config, scales):
    initial = {"a": random_normal(random, 3, 1.0), "b": random_normal(random, 4, 1.0)}
    gradients = [
        {"a": random_normal(random, 3, scale), "b": random_normal(random, 4, scale)}
        for scale in scales
    ]
    for step in gradients[:2]:
        step["b"][0] = 0.0  # A weight that no example has reached yet.
    if "global_clipnorm" in config:
        norms = [np.linalg.norm(np.concatenate([g["a"], g["b"]])) for g in gradients]
        clipped = [bool(norm > config["global_clipnorm"]) for norm in norms]
        assert clipped == [scale >= 1 for scale in scales]

    weights = {key: keras.Variable(value) for key, value in initial.items()}
    optimizer = OPTIMIZERS[name](**config)
    values = []
    for step in gradients:
        optimizer.apply([tf.constant(step[key]) for key in weights], list(weights.values()))
        values.append(numbers(weights))
    return {
        "name": name,
        "config": config,
        "initial": numbers(initial),
        "gradients": [numbers(step) for step in gradients],
        "values": values,
    }


def make_optimizers():
    for name in ("nadam", "adam"):  # ADAM must be what Keras takes by default.
        default = OPTIMIZERS[name]().get_config()
        assert all(np.isclose(default[key], value) for key, value in ADAM.items())
    random = np.random.RandomState(5)
    write("optimizers.json", {
        "cases": [optimizer_case(random, *case) for case in OPTIMIZER_CASES]
    })


def train(weights, batches, slices):
    """The loss of each batch before its update, and the final weights."""
    model = build_model()
    named = variables(model.layers)
    for name, value in weights.items():
        named[name].assign(value)
    optimizer = keras.optimizers.Nadam(learning_rate=0.01)
    losses = []
    for inputs, targets in batches:
        _, loss, gradients = loss_and_gradients(model, inputs, targets)
        gradients = gradients if slices else dense(gradients)
        optimizer.apply(list(gradients.values()), list(named.values()))
        losses.append(number(loss))
    return losses, arrays(named)


def make_training():
    """Ten steps of training, in two ways.

    "losses" and "final_weights" come from dense gradients, that is, from Nadam
    as it is defined.  Model.fit gives the "fit_" values: it hands the optimizer
    the embedding's gradient as tf.IndexedSlices, and Keras then squares each
    row by itself, so that the second moment of a token that occurs several
    times in a batch gets a sum of squares and not the square of the sum.
    """
    random = np.random.RandomState(6)
    named = variables(build_model().layers)
    randomize(named, random)
    weights = {name: v.numpy() for name, v in named.items()}
    batches = [random_windows(random) for _ in range(10)]
    losses, final_weights = train(weights, batches, slices=False)
    fit_losses, fit_final_weights = train(weights, batches, slices=True)
    write("training.json", {
        "optimizer": {"name": "nadam", "config": {**ADAM, "learning_rate": 0.01}},
        "weights": arrays(weights),
        "batches": [{"inputs": array(i), "targets": array(t)} for i, t in batches],
        "losses": losses,
        "final_weights": final_weights,
        "fit_losses": fit_losses,
        "fit_final_weights": fit_final_weights,
    })


TEXTS = [
    ("lower", "À noite, João não dormiu; Órfã de sono, a ÁGUA caía do telhado. "
              "Que horas são? São três, disse o avô, e É cedo."),
    ("none", "vizinho Feliz, 0123 café; bcdgjkmpqrstuwxy ZYX ÀÉÿ"),
    ("none", "linha um\n\tlinha dois 😀 日本語 中文 🇧🇷\n"),
    ("none", "abracadabra"),
    ("lower", "ΟΔΥΣΣΕΥΣ İstanbul Œuvre"),  # Final sigma; İ becomes two characters.
]


def vocabulary_case(standardize, text):
    adapted = text.lower() if standardize == "lower" else text
    layer = keras.layers.TextVectorization(split="character", standardize=None)
    layer.adapt([adapted])
    return {
        "text": text,
        "standardize": standardize,
        "vocabulary": [str(token) for token in layer.get_vocabulary()[2:]],
        "ids": [int(id) - 2 for id in layer([adapted])[0]],
    }


def make_vocabulary():
    cases = [vocabulary_case(*case) for case in TEXTS]
    for case in cases:
        # Most frequent first; among equals, the greater code point first.
        text = case["text"].lower() if case["standardize"] == "lower" else case["text"]
        order = sorted(set(text), key=lambda c: (text.count(c), c), reverse=True)
        assert case["vocabulary"] == order
    write("vocabulary.json", {"cases": cases})


def make_schedules():
    cases = []
    for config in (
        {"initial_learning_rate": 0.003, "decay_steps": 100, "alpha": 0.1},
        {"initial_learning_rate": 0.0, "decay_steps": 80, "alpha": 0.0,
         "warmup_target": 0.003, "warmup_steps": 20},
    ):
        schedule = keras.optimizers.schedules.CosineDecay(**config)
        steps = list(range(0, 111, 10))
        cases.append({
            "name": "cosine_decay",
            "config": config,
            "steps": steps,
            "values": [number(schedule(step)) for step in steps],
        })
    write("schedules.json", {"cases": cases})


def make_initializers():
    glorot = keras.initializers.GlorotUniform(keras.random.SeedGenerator(1))
    uniform = []
    for shape in ((3, 4, 5), (5, 18), (6, 11)):
        fan_in, fan_out = (int(np.prod(shape[:-2])) * n for n in shape[-2:])
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        largest = max(np.abs(glorot(shape)).max() for _ in range(100))
        assert 0.99 * limit < largest <= limit * (1 + 1e-6)
        uniform.append({
            "shape": shape, "fan_in": fan_in, "fan_out": fan_out, "limit": number(limit),
        })

    shape = (UNITS, 3 * UNITS)
    orthogonal = keras.initializers.Orthogonal(gain=1.0, seed=1)(shape).numpy()
    assert np.allclose(orthogonal @ orthogonal.T, np.eye(UNITS), atol=1e-5)

    embedding = keras.layers.Embedding(VOCABULARY, EMBEDDING).embeddings_initializer
    assert isinstance(embedding, keras.initializers.RandomUniform)
    assert (embedding.minval, embedding.maxval) == (-0.05, 0.05)

    # Which initializer each layer of the model takes by default.
    defaults = {}
    for layer in build_model().layers:
        config = layer.get_config()
        for weight in layer.weights:
            attribute = weight.name.replace("recurrent_kernel", "recurrent")
            initializer = config[f"{attribute}_initializer"]["class_name"]
            defaults[f"{layer.name}/{weight.name}"] = initializer

    write("initializers.json", {
        "glorot_uniform": uniform,
        "orthogonal": {"shape": shape, "gain": 1.0, "rows_orthonormal": True},
        "embedding_uniform": {"limit": 0.05},
        "defaults": defaults,
    })


if __name__ == "__main__":
    make_gru_forward()
    make_gradients("gradients.json", seed=22)
    make_gradients("gradients_two_gru.json", seed=3, two_gru=True)
    make_gradients("gradients_last.json", seed=32, last=True)
    make_gradients("gradients_reset_before.json", seed=4, reset_after=False)
    make_optimizers()
    make_training()
    make_vocabulary()
    make_schedules()
    make_initializers()
