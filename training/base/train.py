"""Trains the base model on the CPU; resumes by itself from the run's last checkpoint.

    python training/base/train.py --run training/runs/base --steps 4000 --decay-steps 1000
    python training/base/train.py --run training/runs/base --decay-now 800     # tells a running training to finish

The learning rate warms up, stays constant, and decays linearly to zero over the last `--decay-steps`
(warm-up–stable–decay), so a run can be brought to a good end at any time. The batch of step s depends only on
(seed, s): a resumed run sees what an uninterrupted one would have seen.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from model import BaseModel, ModelConfig

# Share of windows per source and phase. The generated stories teach the form within a few hundred steps; then the
# harder texts get more room; the decay leans back to simple English, which is what the model is to write.
MIXTURE = {"start": {"generated": 0.50, "tinystories": 0.20, "books": 0.30},
           "stable": {"generated": 0.35, "tinystories": 0.25, "books": 0.40},
           "decay": {"generated": 0.60, "tinystories": 0.20, "books": 0.20}}
START_STEPS = 945


class Source:
    def __init__(self, path: Path):
        data = np.load(path)
        self.ids, self.starts, self.bytes = data["ids"], data["starts"], int(data["bytes"])

    def window(self, r: np.random.Generator, length: int) -> np.ndarray:
        """`length` + 1 tokens; half of the windows begin with a document, as a prompt does."""
        last = len(self.ids) - length - 1
        start = int(r.choice(self.starts)) if r.random() < 0.5 else int(r.integers(last + 1))
        start = min(start, last)
        return self.ids[start:start + length + 1].astype(np.int64)


def batch(sources, seed, step, size, length, decaying):
    r = np.random.default_rng([seed, step])
    names = sorted(sources)
    phase = "decay" if decaying else "start" if step < START_STEPS else "stable"
    weights = np.array([MIXTURE[phase][n] for n in names])
    rows = [sources[names[i]].window(r, length) for i in r.choice(len(names), size=size, p=weights / weights.sum())]
    rows = torch.from_numpy(np.stack(rows))
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def held_out_loss(model, source, length, windows=24):
    """Mean loss over evenly spaced windows: quick, for the log. `evaluate.py` gives the numbers of the model card."""
    total, count = 0.0, 0
    starts = np.linspace(0, len(source.ids) - length - 1, windows).astype(np.int64)
    for group in np.array_split(starts, max(1, windows // 8)):
        rows = torch.from_numpy(np.stack([source.ids[s:s + length + 1].astype(np.int64) for s in group]))
        total += model.loss(rows[:, :-1], rows[:, 1:]).item() * len(group)
        count += len(group)
    return total / count


def save(path: Path, state: dict):
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--decay-steps", type=int, default=0)
    parser.add_argument("--decay-now", type=int, metavar="STEPS",
                        help="do not train: tell the running training to decay over its next STEPS and stop")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm-up", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--evaluate-every", type=int, default=200)
    parser.add_argument("--layers", type=int, default=ModelConfig.num_hidden_layers)
    parser.add_argument("--compile", action="store_true", help="torch.compile: about a tenth faster, needs a C++ compiler")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 autocast (for CPUs without bfloat16)")
    options = parser.parse_args()

    marker = options.run / "decay-steps"
    if options.decay_now is not None:
        marker.write_text(str(options.decay_now))
        return

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    sources = {p.name.split("-")[1]: Source(p) for p in sorted(options.run.glob("tokens-*-train.npz"))}
    held_out = {p.name.split("-")[1]: Source(p) for p in sorted(options.run.glob("tokens-*-held_out.npz"))}
    if not sources:
        raise SystemExit(f"no token files in {options.run}: run prepare.py first")
    config = ModelConfig(num_hidden_layers=options.layers)
    model = BaseModel(config)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=options.rate, betas=(0.9, 0.95), eps=1e-8, fused=True)
    loss_function = torch.compile(model.loss) if options.compile else model.loss

    log = (options.run / "log.jsonl").open("a")
    step, seconds, decay_start, end = 0, 0.0, options.steps - options.decay_steps, options.steps
    checkpoint = options.run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
        if state["decaying"]:
            decay_start, end = state["decay_start"], state["end"]
        print(f"resumed at step {step}", flush=True)

    def state():
        return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": config.to_dict(), "step": step,
                "seconds": seconds, "decaying": step >= decay_start, "decay_start": decay_start, "end": end,
                "batch": options.batch, "length": options.length, "seed": options.seed, "rate": options.rate}

    saved = mark = time.monotonic()
    running, running_count = 0.0, 0
    while step < end:
        if marker.exists() and step < decay_start:
            decay_start, end = step, step + int(marker.read_text())
            print(f"decay from step {decay_start} to {end}", flush=True)
        decaying = step >= decay_start
        share = min(1.0, (step + 1) / options.warm_up)
        if decaying:
            share *= (end - step) / max(1, end - decay_start)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * share
        inputs, targets = batch(sources, options.seed, step, options.batch, options.length, decaying)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not options.float32):
            loss = loss_function(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        if not math.isfinite(value):
            raise SystemExit(f"the loss is {value} at step {step}; the last checkpoint is untouched")
        running, running_count, step = running + value, running_count + 1, step + 1

        if step % options.evaluate_every == 0 or step == end:
            now = time.monotonic()
            seconds += now - mark
            entry = {"step": step, "loss": round(running / running_count, 4), "rate": round(options.rate * share, 6),
                     "tokens_per_second": round(running_count * options.batch * options.length / (now - mark)),
                     "seconds": round(seconds)}
            for name, source in held_out.items():
                entry[f"held_out_{name}"] = round(held_out_loss(model, source, options.length), 4)
            print(json.dumps(entry), flush=True)
            log.write(json.dumps(entry) + "\n")
            log.flush()
            running, running_count, mark = 0.0, 0, time.monotonic()
        if time.monotonic() - saved > 60 * options.save_minutes or step == end:
            save(checkpoint, state())
            saved = time.monotonic()
    print(f"done: {step} steps, {step * options.batch * options.length / 1e6:.1f} M tokens", flush=True)


if __name__ == "__main__":
    main()
