"""The checks, run by `run` in an environment with the other programs."""

import json
import sys
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tokenizers import Tokenizer

# The largest difference of two probabilities.
TOLERANCE = 1e-5
# The text is repeated until it is so long.
BYTES = 1_000_000


def main():
    work = Path(sys.argv[1])
    checks = []
    for kind in sys.argv[2:]:
        checks.append((f"tokenizer.json, {kind}", lambda kind=kind: tokenizer(work / kind / "out")))
        checks.append((f"ONNX, {kind}", lambda kind=kind: graph(work / kind / "out")))
        checks.append((f"TensorBoard, {kind}", lambda kind=kind: board(work / kind / "run")))
    failed = 0
    for name, check in checks:
        try:
            print(f"ok    {name}: {check()}", flush=True)
        except AssertionError as problem:
            failed += 1
            print(f"FAIL  {name}: {problem}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def tokenizer(folder):
    text = (folder / "text.txt").read_bytes().decode()
    ids = json.loads((folder / "ids.json").read_text())
    other = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = other.encode(text).ids
    wrong = next((i for i, pair in enumerate(zip(found, ids)) if pair[0] != pair[1]), None)
    assert wrong is None, f"token {wrong} is {found[wrong]} instead of {ids[wrong]}"
    assert len(found) == len(ids), f"{len(found)} tokens instead of {len(ids)}"
    assert other.decode(found, skip_special_tokens=False) == text, "the text is not the same again"
    # A text of a megabyte: as often as it takes, each time alone.
    times = -(-BYTES // len(text.encode()))
    began = time.perf_counter()
    for encoding in other.encode_batch([text] * times):
        assert encoding.ids == ids
    seconds = time.perf_counter() - began
    return f"{times * len(ids):,} ids of {times * len(text.encode()):,} bytes, in {seconds:.1f} s"


def graph(folder):
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    said = json.loads((folder / "said.json").read_text())
    tokens = numpy.array([said["tokens"]], dtype=numpy.int64)
    expected = numpy.array(said["probabilities"])
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    whole = run(session, tokens, None)[0][0]
    parts, states, at = [], None, 0
    for length in [1, 5, 1, 1, tokens.shape[1] - 8]:
        part, *states = run(session, tokens[:, at:at + length], states)
        parts.append(part[0])
        at += length
    rows = run(session, numpy.concatenate([tokens, tokens[:, ::-1]]), None)[0]
    off = [float(numpy.abs(found - expected).max())
           for found in (whole, numpy.concatenate(parts), rows[0])]
    assert max(off) <= TOLERANCE, f"probabilities differ by {max(off):.1e}"
    metadata = session.get_modelmeta().custom_metadata_map
    same = json.loads(metadata["tokenizer.json"]) == json.loads((folder / "tokenizer.json").read_text())
    assert same, "the tokenizer in the file is another one"
    return f"probabilities off by {off[0]:.1e} at once, {off[1]:.1e} in parts, {off[2]:.1e} in a batch"


def run(session, tokens, states):
    """What comes out, with the states of a call before, or with zeros."""
    inputs = session.get_inputs()
    sizes = {"batch": tokens.shape[0], "time": tokens.shape[1]}
    if states is None:
        states = [numpy.zeros([sizes.get(axis, axis) for axis in given.shape], numpy.float32)
                  for given in inputs[1:]]
    feed = {given.name: value for given, value in zip(inputs, [tokens, *states])}
    return session.run(None, feed)


def board(folder):
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    compared = 0
    for part, event, keys in [
        ("train", "step", {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning_rate"}),
        ("validation", "evaluated", {"loss": "val_loss", "accuracy": "val_accuracy"}),
    ]:
        reader = EventAccumulator(str(folder / "tensorboard" / part), size_guidance={"tensors": 0})
        reader.Reload()
        for tag, key in keys.items():
            found = [(e.step, e.value) for e in reader.Scalars(tag)]
            expected = [(entry["step"], numpy.float32(entry[key])) for entry in log
                        if entry["event"] == event]
            assert found == expected, f"{part} {tag}: {found} instead of {expected}"
            compared += len(found)
        if part == "train":
            samples = [entry for entry in log if entry["event"] == "sample"]
            tags = reader.Tags()["tensors"]
            texts = {(e.step, tag): e.tensor_proto.string_val[0].decode()
                     for tag in tags for e in reader.Tensors(tag)}
            plugin = {reader.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags}
            assert plugin == {"text"}, plugin
            for entry in samples:
                text = texts[entry["step"], f"sample/temperature {entry['temperature']}"]
                whole = entry["prompt"] + entry["text"]
                assert [line[4:] for line in text.splitlines()] == whole.splitlines(), text
    return f"{compared} figures and {len(samples)} samples are those of the log"


if __name__ == "__main__":
    sys.exit(main())
