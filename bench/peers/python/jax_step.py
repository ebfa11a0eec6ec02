"""A training step of the tutorial's model in JAX and optax, compiled as a whole with `jax.jit`.

How many threads it uses is no setting of JAX: it takes as many as there are CPUs it may run on.
"""

import functools

import jax
import jax.numpy as jnp
import optax

from measure import (BATCH, BETA_1, BETA_2, EMBEDDING_DIM, EPSILON, FILTERS, KERNEL_SIZE,
                     LEARNING_RATE, UNITS, Text, arguments, measure)

NADAM = optax.nadam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)


def main():
    given = arguments(__doc__).parse_args()
    text = Text(given.text)
    weights = first_weights(text.vocabulary_size)
    memory = NADAM.init(weights)

    def step(inputs, targets):
        nonlocal weights, memory
        weights, memory, loss = train(weights, memory, inputs, targets)
        return loss

    versions = f"JAX {jax.__version__}, optax {optax.__version__}"
    measure(versions, given.seconds, text.batches(), step)


def first_weights(vocabulary_size):
    shapes = {
        "embedding": (vocabulary_size, EMBEDDING_DIM),
        "conv": (KERNEL_SIZE, EMBEDDING_DIM, FILTERS),
        "gru": (FILTERS, 3 * UNITS),
        "gru_recurrent": (UNITS, 3 * UNITS),
        "dense": (UNITS, vocabulary_size),
    }
    keys = jax.random.split(jax.random.key(42), len(shapes))
    glorot = jax.nn.initializers.glorot_uniform()
    kernels = {name: glorot(key, shape) for key, (name, shape) in zip(keys, shapes.items())}
    biases = {
        "conv_bias": jnp.zeros(FILTERS),
        "gru_bias": jnp.zeros((2, 3 * UNITS)),
        "dense_bias": jnp.zeros(vocabulary_size),
    }
    return kernels | biases


# The old weights and the optimizer's old memory are given up, so that their space is used again.
@functools.partial(jax.jit, donate_argnums=(0, 1))
def train(weights, memory, inputs, targets):
    loss, gradients = jax.value_and_grad(loss_of)(weights, inputs, targets)
    updates, memory = NADAM.update(gradients, memory, weights)
    return optax.apply_updates(weights, updates), memory, loss


def loss_of(weights, inputs, targets):
    losses = optax.softmax_cross_entropy_with_integer_labels(logits(weights, inputs), targets)
    return losses.mean()


def logits(weights, ids):
    """Ids [B, T] to logits [B, T, V], by way of [T, B, ...]: the scan runs over the first axis."""
    embedded = weights["embedding"][ids.T]
    convolved = jax.nn.relu(causal_conv(weights["conv"], embedded) + weights["conv_bias"])
    input_bias, recurrent_bias = weights["gru_bias"]
    projected = convolved @ weights["gru"] + input_bias

    def cell(state, from_input):
        from_state = state @ weights["gru_recurrent"] + recurrent_bias
        z_input, r_input, h_input = jnp.split(from_input, 3, axis=-1)
        z_state, r_state, h_state = jnp.split(from_state, 3, axis=-1)
        z = jax.nn.sigmoid(z_input + z_state)
        r = jax.nn.sigmoid(r_input + r_state)
        candidate = jnp.tanh(h_input + r * h_state)
        state = z * state + (1 - z) * candidate
        return state, state

    _, states = jax.lax.scan(cell, jnp.zeros((BATCH, UNITS)), projected)
    return (states @ weights["dense"] + weights["dense_bias"]).transpose(1, 0, 2)


def causal_conv(kernel, embedded):
    """[T, B, C] to [T, B, F]. Zeros before the text and none after it: no filter sees what comes
    next."""
    before_and_after = [(KERNEL_SIZE - 1, 0)]
    # N is the batch, W the time, C, I and O are channels.
    layout = ("WNC", "WIO", "WNC")
    return jax.lax.conv_general_dilated(embedded, kernel, (1,), before_and_after,
                                        dimension_numbers=layout)


if __name__ == "__main__":
    main()
