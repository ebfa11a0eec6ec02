"""A training step of the tutorial's model in PyTorch: eager, or compiled with `torch.compile`."""

import torch
from torch import nn

from measure import (BETA_1, BETA_2, EMBEDDING_DIM, EPSILON, FILTERS, KERNEL_SIZE, LEARNING_RATE,
                     UNITS, Text, arguments, measure)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(42)
    text = Text(given.text)
    model = Model(text.vocabulary_size)
    forward = torch.compile(model) if given.compile else model
    nadam = torch.optim.NAdam(model.parameters(), LEARNING_RATE, (BETA_1, BETA_2), EPSILON)

    def step(*batch):
        inputs, targets = (torch.from_numpy(ids).long() for ids in batch)
        nadam.zero_grad()
        loss = nn.functional.cross_entropy(forward(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        nadam.step()
        return loss.detach()

    measure(f"PyTorch {torch.__version__}", given.seconds, text.batches(), step)


class Model(nn.Module):
    """Ids [B, T] to logits [B, T, V]. PyTorch's GRU has the reset gate after the product, as
    Keras does by default."""

    def __init__(self, vocabulary_size):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, EMBEDDING_DIM)
        self.conv = nn.Conv1d(EMBEDDING_DIM, FILTERS, KERNEL_SIZE)
        self.gru = nn.GRU(FILTERS, UNITS, batch_first=True)
        self.dense = nn.Linear(UNITS, vocabulary_size)

    def forward(self, ids):
        embedded = self.embedding(ids).transpose(1, 2)
        # Zeros before the text and none after it, so that no filter sees what comes next.
        padded = nn.functional.pad(embedded, (KERNEL_SIZE - 1, 0))
        convolved = self.conv(padded).relu().transpose(1, 2)
        states, _ = self.gru(convolved)
        return self.dense(states)


if __name__ == "__main__":
    main()
