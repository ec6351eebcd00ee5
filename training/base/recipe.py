"""The whole recipe of Models/base, step by step; a finished step is not repeated, an interrupted training resumes.

    python training/base/recipe.py --data ../shared/data/text                # what made Models/base
    python training/base/recipe.py --run training/runs/own                   # generated stories only, no other text
    python training/base/recipe.py --run training/runs/smoke --smoke         # a minute or two, to see that all runs
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS, DECAY_STEPS = 3868, 900


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, default=HERE.parent / "runs" / "base", help="folder of everything intermediate")
    parser.add_argument("--data", type=Path, help="folder with tinystories-samples/ and children/")
    parser.add_argument("--out", type=Path, help="the GGUF file (default: base.gguf in the run's folder)")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    run, out = options.run, options.out or options.run / "base.gguf"

    def step(script, *arguments, made: Path | None = None):
        if made is not None and made.exists():
            print(f"-- {script} {arguments[0] if arguments else ''}: {made} exists", flush=True)
            return
        command = [sys.executable, str(HERE / script), *map(str, arguments), "--run", str(run)]
        print("--", " ".join(command[1:]), flush=True)
        subprocess.run(command, check=True)

    stories = 1500 if options.smoke else 60000
    step("prepare.py", "texts", "--stories", stories, *(("--data", options.data) if options.data else ()),
         made=run / "text-generated.json")
    step("train_tokenizer.py", made=run / "tokenizer.json")
    step("prepare.py", "tokens", made=run / "tokens-generated-train.npz")
    size = ("--steps", 60, "--decay-steps", 20, "--batch", 4, "--length", 256, "--layers", 2, "--warm-up", 10,
            "--evaluate-every", 20) if options.smoke else ("--steps", STEPS, "--decay-steps", DECAY_STEPS)
    flags = [f for f in ("--compile", "--float32") if getattr(options, f[2:])]
    step("train.py", *size, "--threads", options.threads, *flags)
    step("export.py", "--gguf", out, "--hf", run / "hf")
    step("evaluate.py", "--gguf", out, *(("--documents", 5, "--samples", 1) if options.smoke else ("--samples", 5)))


if __name__ == "__main__":
    main()
