"""lm-eval with the tokenizer of the server: its figures are those that machado computes itself."""

import json
import math
import os
import shutil
import subprocess
import sys

from .checking import NATS_PER_TOKEN, check, near, same
from .server import ask

# Contexts and what may follow; the right one is the first.
CHOICES = [
    ("A menina estava", [" na janela", " qwx kjy", " o de que"]),
    ("O mar era azul e o vento", [" vinha devagar", " zzzzz", " mar mar"]),
    ("Ela não disse", [" nada", " xk", " azul azul azul"]),
]
TEXTS = [
    "A menina estava na janela.",
    "O mar era azul, e o vento vinha devagar; ela não disse nada. Depois voltou para casa.",
    "Não.\nSim.",
]
PROMPTS = ["A menina estava ", "O mar era ", "Ela disse que "]
# Tokens that are written at most, and what ends them.
TOKENS = 40
UNTIL = [".", "\n", ","]

TASKS = {
    "choice": """
output_type: multiple_choice
doc_to_text: "{{context}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: bits_per_byte}
""",
    "until": f"""
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
generation_kwargs: {{until: {json.dumps(UNTIL)}, max_gen_toks: {TOKENS}, do_sample: false, temperature: 0}}
metric_list:
  - {{metric: bypass}}
""",
}
DOCUMENTS = {
    "choice": [{"context": context, "choices": choices} for context, choices in CHOICES],
    "rolling": [{"text": text} for text in TEXTS],
    "until": [{"prompt": prompt} for prompt in PROMPTS],
}


def evaluate(subject, url, key, batch_size, arguments):
    """Runs lm-eval, and returns its results and samples by task."""
    folder = subject.work / "lm-eval"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, task in TASKS.items():
        documents = folder / f"{name}.jsonl"
        documents.write_text("".join(json.dumps(each) + "\n" for each in DOCUMENTS[name]))
        (folder / f"{name}.yaml").write_text(
            f"task: machado_{name}\ndataset_path: json\ntest_split: test\n"
            f"dataset_kwargs: {{data_files: {{test: {json.dumps(str(documents))}}}}}\n" + task)
    arguments = {"model": "machado", "base_url": f"{url}/v1/completions", "tokenizer_backend": "remote"} | arguments
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions",
               "--model_args", ",".join(f"{name}={value}" for name, value in arguments.items()),
               "--tasks", ",".join(f"machado_{name}" for name in TASKS), "--include_path", str(folder),
               "--output_path", str(folder / "out"), "--log_samples", "--batch_size", str(batch_size)]
    done = subprocess.run(command, env=os.environ | {"OPENAI_API_KEY": key}, capture_output=True)
    (folder / "log").write_bytes(done.stdout + done.stderr)
    last = (done.stderr.decode().strip().splitlines() or ["it said nothing"])[-1]
    assert done.returncode == 0, f"lm_eval: {last} (all of it in {folder / 'log'})"
    [results] = (folder / "out").rglob("results_*.json")
    samples = {}
    for name in TASKS:
        [found] = (folder / "out").rglob(f"samples_machado_{name}_*.jsonl")
        samples[name] = sorted(map(json.loads, found.read_text().splitlines()), key=lambda each: each["doc_id"])
    return json.loads(results.read_text())["results"], samples


def holds(subject, url, key="", batch_size=1, **arguments):
    """Compares each figure."""
    prefix, more = prefix_token(subject, url, key)
    results, samples = evaluate(subject, url, key, batch_size, more | arguments)
    right = 0
    for (context, choices), sample in zip(CHOICES, samples["choice"], strict=True):
        expected = [subject.nats(context)[0] - subject.nats(context + choice)[0] for choice in choices]
        for choice, value, (found, _) in zip(choices, expected, pairs(sample), strict=True):
            near(found, value, NATS_PER_TOKEN * 100, f"log p({choice!r} | {context!r})")
        right += expected[0] == max(expected)
    near(results["machado_choice"]["acc,none"], right / len(CHOICES), 1e-9, "acc")
    nats = 0
    for text, sample in zip(TEXTS, samples["rolling"], strict=True):
        whole = subject.nats(prefix + text)[0]
        near(float(sample["resps"][0][0]), -whole, NATS_PER_TOKEN * 200, f"log p({text!r})")
        nats += whole
    bits = nats / math.log(2) / sum(len(text.encode()) for text in TEXTS)
    near(results["machado_rolling"]["bits_per_byte,none"], bits, 1e-5, "bits_per_byte")
    for prompt, sample in zip(PROMPTS, samples["until"], strict=True):
        stops = [word for end in UNTIL for word in ("--stop", end)]
        alone = subject.program("generate", prompt, "-t", "0", "-n", str(TOKENS), *stops)["text"]
        same(sample["resps"][0][0], alone, f"what follows {prompt!r}")
    return f"{bits:.4f} bits per byte, {right} of {len(CHOICES)} right"


def pairs(sample):
    """The log-probability of each choice and whether it is what the model would have said."""
    return [(float(value), greedy) for [[value, greedy]] in sample["resps"]]


def prefix_token(subject, url, key):
    """What lm-eval puts before a text so that its first token is measured too: the server's bos_token, or else
    a line end that it has to be told of."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    bos = ask(f"{url}/tokenizer_info", headers=headers).json()["bos_token"]
    return (bos, {}) if bos else ("\n", {"custom_prefix_token_id": subject.tokens("\n")[0]})


@check("lm-eval: log-likelihoods, rolling ones, and texts")
def one_by_one(subject):
    return holds(subject, subject.url)


@check("lm-eval in batches, many at once, with a key", servers=True)
def many(subject):
    with subject.other_server("--api-key", "sesame") as url:
        return holds(subject, url, key="sesame", auth_token="sesame", num_concurrent=4, batch_size=3)
