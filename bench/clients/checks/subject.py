"""What is checked: a running server, its model, and the program that computes the same without it."""

import json
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from openai import OpenAI

from .server import Server, ask

PROMPT = "A menina estava "
# Characters that every model of the sample text knows, a line end and a double space among them.
TEXT = "A menina estava na janela.\nO mar era azul,  e o vento vinha devagar; ela não disse nada.\n"
# The SDK wants one, whatever the server does.
NO_KEY = "none"


@dataclass
class Subject:
    """`own` says that the server was started here, so that others may be, with other flags."""

    machado: Path
    work: Path
    url: str
    model: Path | None
    own: bool
    first: bool
    made: list = field(default_factory=list)

    @property
    def base(self):
        return f"{self.url}/v1"

    @cached_property
    def client(self):
        return OpenAI(base_url=self.base, api_key=NO_KEY, max_retries=0)

    @cached_property
    def facts(self):
        """The served model's entry in the list of models."""
        return ask(f"{self.base}/models").json()["data"][0]

    @property
    def kind(self):
        return self.facts["meta"]["tokenizer"]

    @property
    def vocabulary_size(self):
        return self.facts["meta"]["vocabulary_size"]

    def other_server(self, *flags):
        """A server of the same model with other flags."""
        self.made.append(flags)
        return Server(self.machado, [*self.model_flags, *flags], self.work / f"serve-{len(self.made)}.log")

    @property
    def model_flags(self):
        return ["--model", self.model] if self.model else []

    def complete(self, prompt=PROMPT, **fields):
        """A completion. `model` is what tools have that know nothing of this server."""
        return self.client.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt, **fields)

    def text(self, *args, **fields):
        return self.complete(*args, **fields).choices[0].text

    def tokens(self, text):
        return ask(f"{self.url}/tokenize", {"content": text}).json()["tokens"]

    def read(self, text):
        """The text as the model reads it: some models have no capitals."""
        return ask(f"{self.url}/detokenize", {"tokens": self.tokens(text)}).json()["content"]

    def program(self, command, *args, given=""):
        """What `machado COMMAND` prints, as JSON."""
        done = subprocess.run([self.machado, command, *self.model_flags, "--json", *args],
                              input=given.encode(), capture_output=True)
        assert done.returncode == 0, f"machado {command}: {done.stderr.decode()}"
        return json.loads(done.stdout)

    def nats(self, text):
        """How much a text surprises the model according to `machado evaluate`, and its tokens but the first."""
        said = self.program("evaluate", "-", given=text)
        return said["loss_nats"] * said["tokens"], said["tokens"]
