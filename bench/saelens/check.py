"""The checks, run by `run` in an environment with sae-lens."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from sae_lens import SAE, TrainingSAE
from sae_lens.saes.sae import TrainStepInput

# The largest difference of two computations that add up in another order, as a share of the largest
# value.
TOLERANCE = 1e-5
D_SAE = 96
K = 7
STEPS = 400
BATCH = 512


@dataclass
class Folders:
    machado: Path
    run: Path
    made: Path

    def call(self, *args):
        """What the program prints; its error as text if it fails."""
        done = subprocess.run([self.machado, *map(str, args)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


def main():
    folders = Folders(*map(Path, sys.argv[1:4]))
    shutil.rmtree(folders.made, ignore_errors=True)
    folders.made.mkdir(parents=True)
    torch.manual_seed(1)
    checks = [("machado's own, read by SAELens", lambda: own(folders))]
    for kind in random_autoencoders(d_in(folders.run / "sae")):
        checks.append((f"SAELens' {kind[0]}, imported", lambda kind=kind: imported(folders, *kind)))
    checks.append(("SAELens' gated, refused by name", lambda: refused(folders)))
    checks.append(("trained by SAELens on states of machado", lambda: trained(folders)))
    failed = 0
    for name, check in checks:
        try:
            print(f"ok    {name}: {check()}", flush=True)
        except AssertionError as problem:
            failed += 1
            print(f"FAIL  {name}: {problem}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def d_in(folder):
    return json.loads((folder / "cfg.json").read_text())["d_in"]


def own(folders):
    sae = SAE.load_from_disk(folders.run / "sae")
    return f"{sae.cfg.architecture()}, {compared(sae, folders.run / 'sae')}"


def compared(sae, folder, scale=1.0):
    """The largest differences between SAELens and the example that machado wrote; the activations are
    in the example `scale` times as large."""
    example = load_file(folder / "example.safetensors")
    with torch.no_grad():
        acts = sae.encode(example["states"])
        out = sae.decode(acts)
    there, here = acts * scale, example["feature_acts"]
    # One of two sums on either side of a threshold is active here and not there.
    flipped = int(((there > 0) != (here > 0)).sum())
    acts_off = relative(there, here)
    out_off = relative(out, example["sae_out"])
    assert flipped == 0, f"{flipped} of {int((here > 0).sum())} activations only on one side"
    assert acts_off <= TOLERANCE, f"activations differ by {acts_off:.1e}"
    assert out_off <= TOLERANCE, f"reconstructions differ by {out_off:.1e}"
    return f"{int((here > 0).sum())} activations, off by {acts_off:.1e}, reconstruction {out_off:.1e}"


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-9))


def random_autoencoders(width):
    """Of each kind one with random weights, and directions of all lengths."""
    for name, config, more in [
        ("standard", {"architecture": "standard"}, {}),
        ("standard without centring", {"architecture": "standard", "apply_b_dec_to_input": False}, {}),
        ("topk", {"architecture": "topk", "k": K}, {}),
        ("topk, rescaled", {"architecture": "topk", "k": K, "rescale_acts_by_decoder_norm": True}, {}),
        ("jumprelu", {"architecture": "jumprelu"}, {"threshold": torch.rand(D_SAE)}),
    ]:
        yield name, random_autoencoder(width, config, more)


def random_autoencoder(width, config, more):
    metadata = {"hook_name": "somewhere"}
    sae = SAE.from_dict({"d_in": width, "d_sae": D_SAE, "metadata": metadata, **config})
    values = {
        "W_enc": torch.randn(width, D_SAE) / width**0.5,
        "b_enc": 0.3 * torch.randn(D_SAE),
        "W_dec": torch.randn(D_SAE, width) * (0.2 + torch.rand(D_SAE, 1)),
        "b_dec": 0.1 * torch.randn(width),
        **more,
    }
    sae.load_state_dict(values, strict=False)
    return sae


def imported(folders, name, sae):
    there = folders.made / name.replace(" ", "-").replace(",", "")
    sae.save_model(there)
    here = there / "imported"
    code, _, said = folders.call("sae", "import", there, folders.run, "--out", here)
    assert code == 0, said
    # machado's directions have length 1, so its activations are as many times as large.
    is_folded = getattr(sae.cfg, "rescale_acts_by_decoder_norm", False)
    scale = 1.0 if is_folded else sae.W_dec.detach().norm(dim=-1)
    first = compared(sae, here, scale)
    # And what machado wrote of it SAELens reads again.
    again = SAE.load_from_disk(here)
    has_lengths = sae.cfg.architecture() == "topk" and not is_folded
    compared(again, here, scale if has_lengths else 1.0)
    code, out, said = folders.call("sae", "show", "0", folders.run, "--sae", here, "--json")
    assert code == 0 and json.loads(out)[0]["feature"] == 0, said
    return first


def refused(folders):
    sae = SAE.from_dict({"d_in": d_in(folders.run / "sae"), "d_sae": D_SAE, "architecture": "gated",
                         "metadata": {"hook_name": "somewhere"}})
    there = folders.made / "gated"
    sae.save_model(there)
    code, _, said = folders.call("sae", "import", there, folders.run, "--out", there / "imported")
    assert code == 1 and 'the architecture is "gated"' in said, said
    return said.strip().partition("cfg.json: ")[2]


def trained(folders):
    """Trained here on the states that machado saved, with no more than SAELens' own step."""
    states_file = folders.made / "states.safetensors"
    code, _, said = folders.call("sae", "states", folders.run, "--positions", 50_000,
                                 "--out", states_file)
    assert code == 0, said
    states = load_file(states_file)["states"]
    sae = TrainingSAE.from_dict({"architecture": "topk", "k": K, "d_in": states.shape[1],
                                 "d_sae": 2 * D_SAE, "metadata": {"hook_name": "gru"}})
    with torch.no_grad():
        sae.b_dec.copy_(states.mean(0))
    optimizer = torch.optim.Adam(sae.parameters(), lr=3e-3)
    for step in range(STEPS):
        batch = states[torch.randint(len(states), (BATCH,))]
        loss = sae.training_forward_pass(TrainStepInput(
            sae_in=batch, coefficients={}, dead_neuron_mask=None, n_training_steps=step,
            is_logging_step=False)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    there = folders.made / "trained"
    sae.save_inference_model(there)
    here = there / "imported"
    code, out, said = folders.call("sae", "import", there, folders.run, "--out", here, "--json")
    assert code == 0, said
    figures = json.loads(out)
    assert figures["explained_variance"] > 0.3, figures
    steer = folders.call("generate", "A ", "--model", folders.run, "--sae", here,
                         "--steer", f"{strongest(here)}:1", "--tokens", 40, "--seed", 1)
    assert steer[0] == 0, steer[2]
    return (f"explained variance {figures['explained_variance']:.3f} with {figures['l0']:.1f} "
            f"features a state; {compared(SAE.load_from_disk(there), here)}")


def strongest(folder):
    known = json.loads((folder / "cfg.json").read_text())["metadata"]["machado"]
    return max(range(len(known["max_activations"])), key=known["max_activations"].__getitem__)


if __name__ == "__main__":
    sys.exit(main())
