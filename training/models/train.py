"""Trains a model on the CPU; resumes by itself from the run's last checkpoint.

    python -m training.models.train --run training/runs/base --steps 6000 --decay-steps 1800
    python -m training.models.train --run training/runs/base --decay-now 800     # tells a running training to finish

The learning rate warms up, stays constant, and decays linearly to zero over the last `--decay-steps`
(warm-up–stable–decay), so a run can be brought to a good end at any time. The batch and the noise of step s depend
only on (seed, s): a resumed run sees what an uninterrupted one would have seen. Matrices are trained by Muon, the rest
(embeddings, norms, biases) by AdamW.
"""

import argparse
import ctypes
import dataclasses
import json
import math
import os
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from .batches import Special, batch, sources
from .network import Config, Network
from .objectives import OBJECTIVES

SIZES = {  # parameters: 5.2 M, 0.7 M, 0.4 M
    "base": Config(),
    "draft": Config(hidden_size=96, intermediate_size=256, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=1),
    "smoke": Config(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1),
}


def growing(step: int, plateau: int, largest: int = 32) -> int:
    """2, 4, 8, … on plateaus of `plateau` steps."""
    return min(largest, 2 << min(step // max(1, plateau), 10))


def block_size(step: int, plateau: int, generator: torch.Generator) -> int:
    """Half of the steps use the largest size reached so far, the others a smaller one from 4 up, so that the model stays
    usable at all of them."""
    largest = growing(step, plateau)
    if largest <= 4 or torch.rand(1, generator=generator) < 0.5:
        return largest
    smaller = [s for s in (4, 8, 16) if s < largest]
    return smaller[int(torch.randint(len(smaller), (1,), generator=generator))]


@torch.no_grad()
def held_out_losses(objective, model, found, length, float32, fill, special):
    """Mean loss per source over a few windows of it alone: quick, for the log."""
    out = {}
    for name, source in found.items():
        phase_all = batch({name: source}, "stable", 0, 0, 8, length, fill, special.end)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not float32):
            _, losses, weights, _ = objective(model, phase_all, generator=torch.Generator().manual_seed(0), block_size=8,
                                              mask=special.mask)
        out[name] = round(((losses * weights).sum() / weights.sum()).item(), 4)
    return out


def keep_freed_memory():
    """Large tensors come from memory that was used before: fresh pages cost a sixth of a step's time. (glibc only)"""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    top_pad, trim, mmap = -2, -1, -3  # M_TOP_PAD, M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    for parameter, value in ((mmap, 1 << 30), (trim, (1 << 31) - 1), (top_pad, 1 << 28)):
        mallopt(parameter, value)


def save(path: Path, state: dict):
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--tokens", type=Path, help="folder with the token files (default: the run's)")
    parser.add_argument("--objective", choices=sorted(OBJECTIVES), default="autoregressive")
    parser.add_argument("--size", choices=sorted(SIZES), default="base")
    parser.add_argument("--from", dest="origin", type=Path, help="run folder or Hugging Face folder whose weights to start from")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--decay-steps", type=int, default=1800)
    parser.add_argument("--decay-now", type=int, metavar="STEPS",
                        help="do not train: tell the running training to decay over its next STEPS and stop")
    parser.add_argument("--batch", type=int, default=16, help="windows per step; half as many of twice the length in the decay")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--plateau", type=int, default=250, help="block diffusion: steps per block size while it grows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-minutes", type=float, default=4)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--evaluate-every", type=int, default=250)
    parser.add_argument("--float32", action="store_true", help="no bfloat16 autocast (for CPUs without bfloat16)")
    options = parser.parse_args()

    options.run.mkdir(parents=True, exist_ok=True)
    marker = options.run / "decay-steps"
    if options.decay_now is not None:
        marker.write_text(str(options.decay_now))
        return

    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokens = options.tokens or options.run
    train, held_out = sources(tokens, "train"), sources(tokens, "held_out")
    if not train:
        raise SystemExit(f"no token files in {tokens}: run prepare first")
    names, objective, fill = sorted(train), OBJECTIVES[options.objective], options.objective == "masked"
    tokenizer = Tokenizer.from_file(str(tokens / "tokenizer.json"))
    special = Special.of(tokenizer)
    config = dataclasses.replace(SIZES[options.size], vocab_size=tokenizer.get_vocab_size())
    start = None
    if options.origin:
        from .export import read_weights
        config, start = read_weights(options.origin, tokenizer.get_vocab_size())
    model = Network(config)
    if start:
        model.load_state_dict(start)
    inner = [p for n, p in model.named_parameters() if p.dim() == 2 and not n.startswith(("model.embed", "lm_head"))]
    outer = [p for n, p in model.named_parameters() if n.startswith(("model.embed", "lm_head"))]
    small = [p for p in model.parameters() if p.dim() == 1]
    optimizers = [
        torch.optim.Muon(inner, lr=options.rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([{"params": outer, "weight_decay": 0.01}, {"params": small, "weight_decay": 0.0}],
                          lr=options.rate, betas=(0.9, 0.95), eps=1e-8, fused=True)]

    step, seconds, seen, decay_start, end = 0, 0.0, 0, options.steps - options.decay_steps, options.steps
    checkpoint = options.run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        step, seconds, seen = state["step"], state["seconds"], state["tokens"]
        if state["decaying"]:
            decay_start, end = state["decay_start"], state["end"]
        print(f"resumed at step {step}", flush=True)

    def state():
        return {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "config": config.to_dict(),
                "step": step, "seconds": seconds, "tokens": seen, "decaying": step >= decay_start, "decay_start": decay_start,
                "end": end, "objective": options.objective, "batch": options.batch, "length": options.length,
                "seed": options.seed, "rate": options.rate}

    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.2f} M parameters, {len(names)} sources: {', '.join(names)}", flush=True)
    log = (options.run / "log.jsonl").open("a")
    saved = mark = time.monotonic()
    sums, totals, logged_tokens = torch.zeros(len(names)), torch.zeros(len(names)), 0
    while step < end:
        if marker.exists() and step < decay_start:
            decay_start, end = step, step + int(marker.read_text())
            print(f"decay from step {decay_start} to {end}", flush=True)
        decaying = step >= decay_start
        share = min(1.0, (step + 1) / options.warm_up)
        if decaying:
            share *= (end - step) / max(1, end - decay_start)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = options.rate * share
        factor = 2 if decaying and options.batch % 2 == 0 else 1
        b = batch(train, "decay" if decaying else "stable", options.seed, step, options.batch // factor, options.length * factor, fill,
                  special.end)
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not options.float32):
            loss, losses, weights, source = objective(model, b, generator=generator,
                                                      block_size=block_size(step, options.plateau, generator),
                                                      mask=special.mask)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if not math.isfinite(loss.item()):
            raise SystemExit(f"the loss is {loss.item()} at step {step}; the last checkpoint is untouched")
        sums += torch.bincount(source, weights=losses * weights, minlength=len(names)).float()
        totals += torch.bincount(source, weights=weights, minlength=len(names)).float()
        step, seen, logged_tokens = step + 1, seen + options.batch * options.length, logged_tokens + options.batch * options.length

        if step % options.log_every == 0 or step == end:
            now = time.monotonic()
            seconds += now - mark
            entry = {"step": step, "tokens": seen, "loss": round((sums.sum() / totals.sum()).item(), 4),
                     "rate": round(options.rate * share, 6), "tokens_per_second": round(logged_tokens / (now - mark)),
                     "seconds": round(seconds),
                     "per_source": {n: round((s / t).item(), 4) for n, s, t in zip(names, sums, totals) if t > 0}}
            if step % options.evaluate_every == 0 or step == end:
                entry["held_out"] = held_out_losses(objective, model, held_out, options.length, options.float32, fill, special)
            print(json.dumps(entry), flush=True)
            log.write(json.dumps(entry) + "\n")
            log.flush()
            sums.zero_(), totals.zero_()
            logged_tokens, mark = 0, time.monotonic()
        if time.monotonic() - saved > 60 * options.save_minutes or step == end:
            save(checkpoint, state())
            saved = time.monotonic()
    print(f"done: {step} steps, {seen / 1e6:.1f} M tokens", flush=True)


if __name__ == "__main__":
    main()
