"""A training step of the tutorial's model in Keras, on TensorFlow: windows from `tf.data`,
`compile` and `fit`, as the tutorial does it."""

import importlib.metadata

import keras
import tensorflow

from measure import (BATCH, BETA_1, BETA_2, EMBEDDING_DIM, EPSILON, FILTERS, KERNEL_SIZE,
                     LEARNING_RATE, UNITS, WINDOW, Stopwatch, Text, arguments)

# The tutorial holds 100,000 windows. How many makes a step no slower or faster, only its beginning.
SHUFFLE_BUFFER = 10_000


def main():
    given = arguments(__doc__).parse_args()
    tensorflow.config.threading.set_intra_op_parallelism_threads(given.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(given.threads)
    keras.utils.set_random_seed(42)
    text = Text(given.text)
    clock = Clock(given.seconds)
    model(text.vocabulary_size).fit(windows(text.ids), callbacks=[clock], verbose=0)
    versions = f"Keras {keras.__version__}, TensorFlow {importlib.metadata.version('tensorflow-cpu')}"
    clock.stopwatch.print_result(versions, clock.loss)


def windows(ids):
    """Batches of inputs and targets, both [B, T], without an end."""
    one_longer = tensorflow.data.Dataset.from_tensor_slices(ids)
    one_longer = one_longer.window(WINDOW + 1, shift=1, drop_remainder=True)
    one_longer = one_longer.flat_map(lambda window: window.batch(WINDOW + 1))
    batches = one_longer.repeat().shuffle(SHUFFLE_BUFFER, seed=42).batch(BATCH)
    return batches.map(lambda batch: (batch[:, :-1], batch[:, 1:])).prefetch(1)


def model(vocabulary_size):
    layers = keras.layers
    made = keras.Sequential([
        layers.Embedding(vocabulary_size, EMBEDDING_DIM),
        layers.Conv1D(FILTERS, KERNEL_SIZE, padding="causal", activation="relu"),
        layers.GRU(UNITS, return_sequences=True),
        layers.Dense(vocabulary_size, activation="softmax"),
    ])
    nadam = keras.optimizers.Nadam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)
    made.compile(optimizer=nadam, loss="sparse_categorical_crossentropy")
    return made


class Clock(keras.callbacks.Callback):
    """Stops the training when the time is up."""

    def __init__(self, seconds):
        super().__init__()
        self._seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            # Only now: the first step fills the shuffle buffer and compiles.
            self.stopwatch = Stopwatch(self._seconds)
        elif not self.stopwatch.step_is_done():
            self.loss = float(logs["loss"])
            self.model.stop_training = True


if __name__ == "__main__":
    main()
