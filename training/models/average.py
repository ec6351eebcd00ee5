"""The mean of two runs' weights: of a model and of what a further training made of it.

What the further training has gained stays for the most part, and what it has lost comes back (WiSE-FT, arXiv 2109.01903).

    python -m training.models.average training/runs/base-diffusion-2 training/runs/base-diffusion-3 --run training/runs/base-diffusion-mean
"""

import argparse
import shutil
from pathlib import Path

import torch

from .train import save


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs=2)
    parser.add_argument("--share", type=float, default=0.5, help="weight of the second run")
    parser.add_argument("--run", type=Path, required=True, help="where the mean is written")
    options = parser.parse_args()
    first, second = (torch.load(run / "checkpoint.pt", weights_only=True) for run in options.runs)
    if first["config"] != second["config"]:
        raise SystemExit(f"{options.runs[0]} and {options.runs[1]} are models of different shapes")
    mean = {k: torch.lerp(first["model"][k].float(), second["model"][k].float(), options.share) for k in first["model"]}
    options.run.mkdir(parents=True, exist_ok=True)
    tokenizer = next((run / "tokenizer.json" for run in options.runs if (run / "tokenizer.json").exists()), None)
    if tokenizer is None:
        raise SystemExit(f"there is no tokenizer.json in {options.runs[0]} or {options.runs[1]}")
    shutil.copy(tokenizer, options.run / "tokenizer.json")
    # No optimizers: a mean is an end, or a beginning by --from, and nothing to resume.
    save(options.run / "checkpoint.pt", {k: v for k, v in second.items() if k not in ("model", "optimizers")} | {"model": mean})
    print(f"{options.run}: {1 - options.share:g} of {options.runs[0]}, {options.share:g} of {options.runs[1]}")


if __name__ == "__main__":
    main()
