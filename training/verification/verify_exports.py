"""Checks what `blockwise quantize` writes against `transformers` and llama.cpp: the same greedy ids.

Each checkpoint (Hugging Face layout, or a shipped GGUF model) is written as GGUF and as a Hugging Face folder, in F32
and in F16; then 200 prompts are continued greedily by 16 tokens (ends of text are passed over):

    reference    transformers over the original weights (over the F32 folder for a GGUF model), f32, eager attention
    hf-f32       transformers over the written F32 folder
    gguf-f32     llama.cpp over the written F32 file, f32 cache; Blockwise over the same file
    hf-f16       transformers over the written F16 folder, against Blockwise over the same folder
    gguf-f16     llama.cpp over the written F16 file, against Blockwise over the same file

A cell says how many of the prompts have the same ids. llama.cpp rounds activations to half precision where it
multiplies with F16 weights, so that near ties fall differently there: for prompts that differ, the largest margin is
given that the reference's choice had over the other's at the first difference, as a share of max |logit|.

    python training/verification/verify_exports.py --models ../shared/data/parity/models --blockwise .build/release/blockwise

The shipped `masked` has no counterpart in transformers; its weights are put into Qwen2's network there, with a mask that
lets all rows see all, and 16 masks behind a prompt are filled, the most confident first, one in a pass: by the
logits of transformers, and by those of `blockwise logits` over the file and over the file as an F32 folder.

Run from the repository's root. Needs torch, transformers and llama-cpp-python. Prints a Markdown table; the exit status is 1 if F32 differs at a margin above 1e-4,
or F16 above 2e-3.
"""

import argparse
import ctypes
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import llama_cpp
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.models.export import read_weights, write_folder

NAMES = ("llama-rope3", "llama-tied", "qwen2", "qwen3", "mistral-window", "gemma2", "gemma3-text", "phi3-longrope", "smollm3",
         "gpt-neox", "qwen3-moe")
SHIPPED = ("base", "base-diffusion", "draft")
WORDS = ("the a an old young little man woman cat dog bird house tree river ship whale sea island king queen door window night day "
         "ran saw said found lost gave took went came called looked and but because when over under through with without green red "
         "dark bright 7 42 1851 Ishmael Alice Anna, quickly slowly never always! What? How? -- ; : ( ) Über naïve 東京 Привет").split()
NEW = 16
MARGIN_F32, MARGIN_F16 = 1e-4, 2e-3


@llama_cpp.llama_log_callback
def quiet(level, text, data):
    pass


def prompts(tokenizer, count, limit):
    """Token ids of random word sequences, at most `limit` of them each."""
    source = random.Random(20)
    result = []
    while len(result) < count:
        text = " ".join(source.choice(WORDS) for _ in range(source.randint(1, 8)))
        ids = tokenizer(text)["input_ids"][:limit]
        if ids:
            result.append((text, ids))
    return result


def run_transformers(folder, items, vocabulary, as_llama=False):
    config = transformers.AutoConfig.from_pretrained(folder)
    if as_llama:
        # What llama.cpp makes of these models: no window, and the factors of long contexts, as its contexts are never short.
        config.sliding_window = None
        if "long_factor" in config.rope_parameters:
            config.rope_parameters["short_factor"] = config.rope_parameters["long_factor"]
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()
    ids, logits = [], []
    with torch.no_grad():
        for _, prompt in items:
            row, steps = list(prompt), []
            for _ in range(NEW):
                step = model(torch.tensor([row])).logits[0, -1, :vocabulary].numpy()
                steps.append(step)
                row.append(int(step.argmax()))
            ids.append(row[len(prompt):])
            logits.append(steps)
    return ids, logits


def run_llama(path, items, vocabulary, context):
    model = llama_cpp.Llama(str(path), n_ctx=context, n_batch=64, n_threads=1, verbose=False, type_k=0, type_v=0, flash_attn=False)
    size = model.n_vocab()
    ids, same = [], 0
    for text, prompt in items:
        model.reset()
        model.eval(prompt)
        row = []
        for step in range(NEW):
            values = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (size,))
            row.append(int(values[:vocabulary].argmax()))
            if step < NEW - 1:
                model.eval(row[-1:])
        ids.append(row)
        same += model.tokenize(text.encode(), add_bos=True, special=True)[:len(prompt)] == prompt
    model.close()
    return ids, same


def run_blockwise(tool, path, items, context):
    ids = []
    for _, prompt in items:
        out = subprocess.run(
            [tool, "generate", "--model", str(path), "--prompt-tokens", ",".join(map(str, prompt)), "--max-tokens", str(NEW),
             "--ignore-eos", "--temperature", "0", "--repetition-penalty", "1", "--compute", "f32", "--context", str(context),
             "--threads", "1", "--json"],
            check=True, capture_output=True, text=True)
        ids.append(json.loads(out.stdout)["tokens"])
    return ids


def compare(found, expected, logits=None):
    """How many rows are the same, and the largest margin at a first difference."""
    same, margin = 0, 0.0
    for index, (a, b) in enumerate(zip(found, expected)):
        if a == b:
            same += 1
        elif logits:
            step = next(i for i in range(NEW) if a[i] != b[i])
            values = logits[index][step]
            margin = max(margin, float(values[b[step]] - values[a[step]]) / float(np.abs(values).max()))
        else:
            margin = float("inf")
    return same, margin


def filled(look, prompt, mask):
    """16 masks behind the prompt, the most confident filled first: (their ids, the gap of the closest choice)."""
    ids, gap = list(prompt) + [mask] * NEW, float("inf")
    for _ in range(NEW):
        probabilities = look(ids).astype(np.float64)
        probabilities[:, mask] = -np.inf
        probabilities = np.exp(probabilities - probabilities.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        confidence = probabilities.max(axis=1)
        confidence[[i for i, token in enumerate(ids) if token != mask]] = -1
        place = int(confidence.argmax())
        best = np.sort(probabilities[place])[-2:]
        others = np.sort(confidence)[-2:]
        gap = min(gap, float(best[1] - best[0]), float(others[1] - others[0]) if others[0] >= 0 else float("inf"))
        ids[place] = int(probabilities[place].argmax())
    return ids[len(prompt):], gap


def check_masked(source, arguments, scratch):
    """The shipped masked model: transformers against Blockwise."""
    folder, network = scratch / "llada", scratch / "qwen2"
    subprocess.run([arguments.blockwise, "quantize", str(source), str(folder), "--format", "f32"], check=True, capture_output=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config, weights = read_weights(source)
    write_folder(network, config, weights, tokenizer.backend_tokenizer, "autoregressive")
    model = AutoModelForCausalLM.from_pretrained(network, dtype=torch.float32, attn_implementation="eager").eval()
    mask = json.loads((folder / "config.json").read_text())["mask_token_id"]

    def look(ids):
        with torch.no_grad():
            return model(torch.tensor([ids]), attention_mask=torch.zeros(1, 1, len(ids), len(ids))).logits[0].numpy()

    def ours(path):
        def look(ids):
            subprocess.run(
                [arguments.blockwise, "logits", "--model", str(path), "--tokens", ",".join(map(str, ids)), "--visibility", "bidirectional",
                 "--threads", "1", "--out", str(scratch / "out.safetensors")], check=True, capture_output=True)
            return load_file(scratch / "out.safetensors")["logits"]
        return look

    items = prompts(tokenizer, min(arguments.prompts, 40), 48)
    expected = [filled(look, ids, mask) for _, ids in items]
    counts, good = [], True
    for path in (folder, source):
        found = [filled(ours(path), ids, mask)[0] for _, ids in items]
        counts.append(sum(a == b for a, (b, _) in zip(found, expected)))
        # Confidences closer than rounding may fall either way.
        good = good and all(a == b or gap < 1e-5 for a, (b, gap) in zip(found, expected))
    print(f"\n`masked`: {len(items)} prompts, {NEW} masks each filled alike: {counts[0]} over the F32 folder, {counts[1]} over the GGUF file")
    return good


def moe_without_dense_layers(source, target):
    """GGUF readers other than ours expect experts in every layer: the same shape with random weights."""
    shutil.copytree(source, target)
    config = transformers.AutoConfig.from_pretrained(source)
    config.mlp_only_layers = []
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    for old in Path(target).glob("*.safetensors*"):
        old.unlink()
    model.save_pretrained(target)


def check(name, source, arguments, scratch):
    tool = arguments.blockwise
    notes = []
    if name == "qwen3-moe":
        moe_without_dense_layers(source, scratch / "moe")
        source = scratch / "moe"
        notes.append("random weights with experts in every layer, as llama.cpp expects; in F16 near ties of the router fall differently")
    paths = {}
    for kind in ("f32", "f16"):
        for container in ("gguf", "hf"):
            path = scratch / f"{kind}.gguf" if container == "gguf" else scratch / kind
            subprocess.run([tool, "quantize", str(source), str(path), "--format", kind], check=True, capture_output=True)
            paths[container, kind] = path
    # The folder that is compared has been through GGUF and back, unless the source is GGUF already.
    if Path(source).is_dir():
        for kind in ("f32", "f16"):
            path = scratch / f"back-{kind}"
            subprocess.run([tool, "quantize", str(paths["gguf", "f32"]), str(path), "--format", kind], check=True, capture_output=True)
            paths["hf", kind] = path
    original = source if Path(source).is_dir() else paths["hf", "f32"]
    tokenizer = AutoTokenizer.from_pretrained(original)
    vocabulary = min(len(tokenizer), transformers.AutoConfig.from_pretrained(original).vocab_size)
    # Longrope has other factors beyond its original context: prompts and context stay inside, so that all agree on them.
    context = 32 if name == "phi3-longrope" else 64
    items = prompts(tokenizer, arguments.prompts, context - NEW)

    reference, logits = run_transformers(original, items, vocabulary)
    row, worst32, worst16 = [], 0.0, 0.0

    def cell(result):
        same, margin = result
        return f"{same}" if same == len(items) else f"{same} ({margin:.0e})"

    result = compare(run_transformers(paths["hf", "f32"], items, vocabulary)[0], reference, logits)
    worst32 = max(worst32, result[1])
    row.append(cell(result))
    result = compare(run_blockwise(tool, paths["gguf", "f32"], items, context), reference, logits)
    worst32 = max(worst32, result[1])
    row.append(cell(result))

    other = name in ("mistral-window", "phi3-longrope")
    if name == "mistral-window":
        notes.append("llama.cpp does not apply the window: compared with transformers without it")
    if name == "phi3-longrope":
        notes.append("llama.cpp takes the long factors for any context above 32 and has none so short: compared with those")
    if name == "gpt-neox":
        notes.append("llama.cpp approximates this GELU")
    plain, plain_logits = run_transformers(original, items, vocabulary, as_llama=True) if other else (reference, logits)
    ids, tokenized = run_llama(paths["gguf", "f32"], items, vocabulary, context)
    result = compare(ids, plain, plain_logits)
    worst16 = max(worst16, result[1]) if name == "gpt-neox" else worst16
    worst32 = max(worst32, result[1]) if name != "gpt-neox" else worst32
    row.append(cell(result))

    half, half_logits = run_transformers(paths["hf", "f16"], items, vocabulary)
    result = compare(run_blockwise(tool, paths["hf", "f16"], items, context), half, half_logits)
    worst32 = max(worst32, result[1])
    row.append(cell(result))
    ours = run_blockwise(tool, paths["gguf", "f16"], items, context)
    result = compare(ours, half, half_logits)
    worst16 = max(worst16, result[1])
    row.append(cell(result))
    ids, _ = run_llama(paths["gguf", "f16"], items, vocabulary, context)
    if other:
        half, half_logits = run_transformers(paths["hf", "f16"], items, vocabulary, as_llama=True)
    result = compare(ids, half, half_logits)
    worst16 = max(worst16, result[1])
    row.append(cell(result))
    print(f"| {name} | " + " | ".join(row) + f" | {tokenized} | {'; '.join(notes)} |", flush=True)
    if name == "qwen3-moe":
        # Rounding moves near ties of the router, and another expert changes logits at once: margins say nothing there.
        worst16 = 0.0
    return worst32 <= MARGIN_F32 and worst16 <= MARGIN_F16


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder of checkpoints in Hugging Face layout (without: the shipped models alone)")
    parser.add_argument("--shipped", type=Path, default=Path(__file__).resolve().parents[2] / "Models")
    parser.add_argument("--blockwise", required=True)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--prompts", type=int, default=200)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, llama-cpp-python {llama_cpp.__version__}; "
          f"{arguments.prompts} prompts × {NEW} greedy ids\n")
    print("| checkpoint | HF F32 in transformers | GGUF F32 in Blockwise | GGUF F32 in llama.cpp | HF F16: Blockwise = transformers | "
          "GGUF F16 in Blockwise | GGUF F16 in llama.cpp | prompts cut alike by llama.cpp | |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    names = arguments.only.split(",") if arguments.only else (NAMES if arguments.models else ()) + SHIPPED + ("masked",)
    for name in names:
        is_shipped = name in SHIPPED + ("masked",)
        source = arguments.shipped / name / f"{name}.gguf" if is_shipped else arguments.models / name
        scratch = Path(tempfile.mkdtemp(prefix="blockwise-exports-"))
        try:
            right = check_masked(source, arguments, scratch) if name == "masked" else check(name, source, arguments, scratch)
            good = right and good
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
