"""Trains draft heads for a frozen model, and writes them as the published files are laid out.

    python -m training.models.train_heads eagle --base training/runs/base --run training/runs/base-eagle --export DIR

A head learns the model's own distribution (cross-entropy to its softmax) at the tokens of answers and texts. Interrupted
trainings go on from the last checkpoint; the batch of a step depends only on the seed and its number.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from .batches import Special, batch, sources
from .export import read_weights
from .heads import Eagle3, Hydra, Medusa, Seen
from .network import Network
from .train import keep_freed_memory, save

KINDS = ("medusa", "hydra", "hydra++", "eagle")
FILES = {"medusa": "medusa_lm_head", "hydra": "hydra_lm_head", "hydra++": "hydra_lm_head", "eagle": "model"}
# Targets below this weight are questions, which nobody generates.
ANSWER = 0.5
# How much less each further head counts (Medusa's paper: about 0.8).
DISCOUNT = 0.8


def frequent_tokens(found: dict, vocabulary: int, count: int) -> torch.Tensor:
    """The tokens that the model writes most, by how often answers and texts have them; ids in no order."""
    counts = torch.zeros(vocabulary, dtype=torch.float64)
    for name, source in found.items():
        if name == "books":
            continue
        ids, weights = torch.from_numpy(source.ids.astype("int64")), torch.from_numpy(source.weights.astype("float64"))
        share = torch.bincount(ids, weights=(weights >= 10 * ANSWER).double(), minlength=vocabulary)
        counts += share / share.sum().clamp(min=1)
    return counts.argsort(descending=True, stable=True)[:count]


@torch.no_grad()
def see(model: Network, tokens: torch.Tensor, taps: list) -> Seen:
    """The frozen model over all but the last token."""
    inputs = {}
    hooks = [model.model.layers[i].register_forward_pre_hook(lambda _, a, i=i: inputs.__setitem__(i, a[0])) for i in taps]
    final = model.hidden(tokens[:, :-1])
    for hook in hooks:
        hook.remove()
    return Seen(tokens, [inputs[i] for i in taps], final, model.logits(final), model.model.embed_tokens.weight)


def rows_of(weights: torch.Tensor, step: int) -> torch.Tensor:
    """Flat indices of rows t whose token t + 2 + step is to be learned; `weights` [batch, rows + 1]."""
    length = weights.shape[1] - 1
    learned = torch.zeros(weights.shape[0], length, dtype=torch.bool)
    if length > step + 1:
        learned[:, :length - 1 - step] = weights[:, 2 + step:] >= ANSWER
    return learned.flatten().nonzero()[:, 0]


def losses(heads, seen: Seen, weights: torch.Tensor, steps: int):
    """Per step: mean cross-entropy to the model's distribution, and the share of rows whose likeliest token is the model's."""
    rows = [rows_of(weights, s) for s in range(steps)]
    length = seen.final.shape[1]
    teacher = seen.logits.flatten(0, 1)
    out = []
    for step, (r, guess) in enumerate(zip(rows, heads.guesses(seen, rows))):
        target = teacher[r + 1 + step].float()  # rows of one sequence: rows_of leaves the last ones out
        assert int((r % length).max() if len(r) else 0) + 1 + step < length
        best = target.argmax(-1)
        if isinstance(heads, Eagle3):
            target = target[:, heads.frequent]
            known = heads.t2d[best]
        else:
            known = torch.ones_like(best, dtype=torch.bool)
        chosen = guess.detach().argmax(-1)
        if isinstance(heads, Eagle3):
            chosen = heads.frequent[chosen]
        loss = -(torch.softmax(target, -1) * torch.log_softmax(guess.float(), -1)).sum(-1)
        out.append(((loss * known).sum() / known.sum().clamp(min=1), (chosen == best).float().mean()))
    return out


def make(kind: str, model: Network, found: dict, options):
    table = model.model.embed_tokens.weight if model.config.tie_word_embeddings else model.lm_head.weight
    table = table.detach()
    if kind == "medusa":
        return Medusa(model.config, table, options.heads, 1), options.heads
    if kind == "eagle":
        layers = model.config.num_hidden_layers
        taps = options.taps or sorted({min(2, layers - 1), layers // 2, max(layers - 1, 0)})
        return Eagle3(model.config, table, frequent_tokens(found, model.config.vocab_size, options.draft_vocabulary), taps), options.heads
    return Hydra(model.config, table, options.heads, 2 if kind == "hydra++" else 1, kind == "hydra++"), options.heads


def export(heads, kind: str, folder: Path, base: str):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(heads.description | {"base_model_name_or_path": base}, indent=2) + "\n")
    state = {k: v.clone().contiguous() if not v.is_floating_point() else v.half().clone().contiguous()
             for k, v in heads.state_dict().items()}
    save_file(state, folder / f"{FILES[kind]}.safetensors", metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--base", type=Path, default=Path("training/runs/base"), help="run folder, Hugging Face folder or GGUF file of the model")
    parser.add_argument("--tokens", type=Path, help="folder of the token files and tokenizer.json (default: --base)")
    parser.add_argument("--run", type=Path, help="folder of checkpoint and log (default: training/runs/base-KIND)")
    parser.add_argument("--export", type=Path, help="write the heads here when done")
    parser.add_argument("--name", default="base", help="base_model_name_or_path of the exported configuration")
    parser.add_argument("--heads", type=int, default=4, help="tokens ahead; of EAGLE-3 the steps it is trained for")
    parser.add_argument("--taps", type=int, nargs="*", help="EAGLE-3: the layers whose inputs are read (default: 2, half, the last)")
    parser.add_argument("--draft-vocabulary", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-minutes", type=float, default=2)
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    run = options.run or Path(f"training/runs/base-{options.kind}")
    run.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokens = options.tokens or options.base
    train, held_out = sources(tokens, "train"), sources(tokens, "held_out")
    special = Special.of(Tokenizer.from_file(str(tokens / "tokenizer.json")))
    config, weights = read_weights(options.base)
    model = Network(config)
    model.load_state_dict(weights)
    model.requires_grad_(False)
    heads, steps = make(options.kind, model, train, options)
    taps = heads.description.get("eagle_aux_hidden_state_layer_ids", [])
    parameters = list(heads.parameters())
    print(f"{options.kind}: {sum(p.numel() for p in parameters) / 1e6:.2f} M parameters", flush=True)
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    step, checkpoint = 0, run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state.get("description", heads.description) != heads.description:
            raise SystemExit(f"{checkpoint} is of heads of another kind or with other taps: give the same options, or another --run")
        heads.load_state_dict(state["heads"])
        if isinstance(heads, Eagle3):  # the tokens that the saved head stands for, whatever the token files say now
            heads.frequent = heads.d2t + torch.arange(len(heads.d2t))
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        print(f"resumed at step {step}", flush=True)

    def scored(found, phase, seed, number):
        b = batch(found, phase, seed, number, options.batch, options.length, False, special.end)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not options.float32):
            return losses(heads, see(model, b.ids, taps), b.weights, steps)

    log = (run / "log.jsonl").open("a")
    saved = mark = time.monotonic()
    sums = torch.zeros(2, steps)
    since = 0
    while step < options.steps:
        share = min(1.0, (step + 1) / options.warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * share
        found = scored(train, "decay", options.seed, step)
        loss = sum(DISCOUNT ** i * value for i, (value, _) in enumerate(found))
        if not math.isfinite(loss.item()):
            raise SystemExit(f"the loss is {loss.item()} at step {step}; the last checkpoint is untouched")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        sums += torch.tensor([[v.item() for v, _ in found], [a.item() for _, a in found]])
        step, since = step + 1, since + 1
        if step % 50 == 0 or step == options.steps:
            now = time.monotonic()
            entry = {"step": step, "loss": [round(x, 3) for x in (sums[0] / since).tolist()],
                     "right": [round(x, 3) for x in (sums[1] / since).tolist()],
                     "tokens_per_second": round(since * options.batch * options.length / (now - mark))}
            if step == options.steps:
                with torch.no_grad():
                    for name in sorted(held_out):
                        if name != "books":
                            right = torch.tensor([[a.item() for _, a in scored({name: held_out[name]}, "stable", 0, n)] for n in range(2)])
                            entry.setdefault("held_out", {})[name] = [round(x, 3) for x in right.mean(0).tolist()]
            print(json.dumps(entry), flush=True)
            log.write(json.dumps(entry) + "\n")
            log.flush()
            sums.zero_()
            since, mark = 0, time.monotonic()
        if time.monotonic() - saved > 60 * options.save_minutes or step == options.steps:
            save(checkpoint, {"heads": heads.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "description": heads.description})
            saved = time.monotonic()
    if options.export:
        export(heads, options.kind, options.export, options.name)
        print(f"{options.export}: {sum(f.stat().st_size for f in options.export.iterdir()) / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
