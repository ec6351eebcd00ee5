"""The whole recipe of a model, step by step; a finished step is not repeated, an interrupted training resumes.

    python -m training.models.recipe base --data ../shared/data/text     # as shipped
    python -m training.models.recipe base --run training/runs/own        # generated data only, no other text
    python -m training.models.recipe base-diffusion                      # adapts training/runs/base
    python -m training.models.recipe base-diffusion --from QWEN2_FOLDER --run training/runs/mine   # adapts yours
    python -m training.models.recipe all --smoke                         # a minute or two each, to see that all works
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

from .tokenizer import SPECIAL

RUNS = Path("training/runs")
# name: (objective, starts from base, arguments of the training)
MODELS = {
    "base": ("autoregressive", False, ("--steps", 4553, "--decay-steps", 1400)),
    "draft": ("autoregressive", False, ("--size", "draft", "--steps", 1500, "--decay-steps", 500, "--rate", "4e-3")),
    "base-diffusion": ("block", True, ("--steps", 1200, "--decay-steps", 400, "--batch", 8, "--rate", "1e-3", "--plateau", 100)),
    "masked": ("masked", True, ("--steps", 2500, "--decay-steps", 800, "--rate", "2e-3")),
}
SMOKE = ("--steps", 24, "--decay-steps", 8, "--batch", 4, "--length", 128, "--warm-up", 4, "--plateau", 4, "--log-every", 8,
         "--evaluate-every", 24)
DECODERS = {"autoregressive": ("autoregressive",), "block": ("autoregressive", "blocks"), "masked": ("masked",)}


def run(module: str, *arguments):
    command = [sys.executable, "-m", f"training.models.{module}", *map(str, arguments)]
    print("--", " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)


def foreign_tokenizer(origin: Path, folder: Path):
    """The tokenizer of a Hugging Face folder, with the special tokens that it lacks added at its end."""
    if (folder / "tokenizer.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(origin / "tokenizer.json"))
    tokenizer.add_special_tokens([t for t in SPECIAL if tokenizer.token_to_id(t) is None])
    tokenizer.save(str(folder / "tokenizer.json"))


def prepare(folder: Path, data, scale: float):
    folder.mkdir(parents=True, exist_ok=True)
    more = ("--data", data) if data else ()
    if not (folder / "tokenizer.json").exists():
        run("prepare", "texts", "--run", folder, *more)
        run("tokenizer", "--run", folder)
    if not (folder / "tokens-complete").exists():
        run("prepare", "tokens", "--run", folder, "--scale", scale, *more)


def make(name: str, options):
    smoke = options.smoke
    origin = options.base or RUNS / ("smoke-base" if smoke else "base")
    folder = options.run or (origin if name == "base" else RUNS / (f"smoke-{name}" if smoke else name))
    objective, adapts, training = MODELS[name]
    foreign = options.origin is not None and not (options.origin / "checkpoint.pt").exists()
    tokens = folder if name == "base" or foreign else origin
    if foreign:
        foreign_tokenizer(options.origin, folder)
    prepare(tokens, options.data, 0.01 if smoke else 1.0)
    if folder != tokens:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(tokens / "tokenizer.json", folder / "tokenizer.json")
    if adapts and not (options.origin or (origin / "checkpoint.pt").exists()):
        raise SystemExit(f"{name} starts from base, and {origin} has no checkpoint: run the recipe of base first")
    arguments = [*training, *((*SMOKE, *(("--size", "smoke") if not adapts and name == "base" else ())) if smoke else ())]
    if adapts:
        arguments += ["--from", options.origin or origin]
    run("train", "--run", folder, "--tokens", tokens, "--objective", objective, "--threads", options.threads,
        *(["--float32"] if options.float32 else []), *arguments)
    run("export", "--run", folder, "--hf", folder / "hf", "--gguf", folder / f"{name}.gguf", "--name", f"Blockwise {name}")
    for decoder in DECODERS[objective]:
        size = ("--groups", "names", "--limit", 16) if smoke else ("--run-code",) if options.run_code else ()
        run("evaluate", "--model", folder, "--tasks", "Models/tasks", "--decoder", decoder, *size,
            *(("--limit", 64, "--block-size", 16) if decoder == "masked" and not smoke else ()))
    if objective != "masked":
        run("evaluate", "--model", folder, "--loss", tokens, "--samples", 1 if smoke else 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=[*MODELS, "all"])
    parser.add_argument("--run", type=Path, help="folder of everything intermediate (default: training/runs/MODEL)")
    parser.add_argument("--base", type=Path, help="run folder of base, for tokens and weights (default: training/runs/base)")
    parser.add_argument("--from", dest="origin", type=Path, help="start from these weights instead of base's")
    parser.add_argument("--data", type=Path, help="folder with tinystories-samples/ and children/")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--run-code", action="store_true", help="evaluate the Python that the model writes by running it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    for name in MODELS if options.model == "all" else [options.model]:
        make(name, options)


if __name__ == "__main__":
    main()
