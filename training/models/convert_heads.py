"""Turns published draft heads from PyTorch's pickled files into safetensors, which Blockwise reads.

    python -m training.models.convert_heads medusa-vicuna-7b/medusa_lm_head.pt
    python -m training.models.convert_heads hydra-vicuna-7b/hydra_lm_head.pt
    python -m training.models.convert_heads EAGLE3-LLaMA3.1-8B/pytorch_model.bin

The result lies beside the file, with config.json where it was. A pickle can run any program when it is opened; this opens only
tensors and plain containers. A file that needs more is refused, unless `--trust-pickle` says that it may run what it likes.
"""

import argparse
import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

NAMES = {"medusa_lm_head.pt": "medusa_lm_head", "hydra_lm_head.pt": "hydra_lm_head", "pytorch_model.bin": "model"}


def tensors(path: Path, trusts: bool) -> dict:
    try:
        state = torch.load(path, map_location="cpu", weights_only=not trusts)
    except pickle.UnpicklingError as error:
        raise SystemExit(f"{path} holds more than tensors, and opening it could run a program: {str(error).splitlines()[0]}\n"
                         "If you trust whoever made it, give --trust-pickle.") from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise SystemExit(f"{path} is no dictionary of tensors")
    return state


def convert(path: Path, trusts: bool = False) -> Path:
    if path.name not in NAMES:
        raise SystemExit(f"{path.name} is none of {', '.join(NAMES)}")
    # Tensors that share memory, such as Hydra's repeated blocks, are written one by one: that is what the format can say.
    state = {name: tensor.clone().contiguous() for name, tensor in tensors(path, trusts).items()}
    out = path.with_name(NAMES[path.name] + ".safetensors")
    temporary = out.with_suffix(".tmp")
    save_file(state, temporary, metadata={"format": "pt"})
    temporary.rename(out)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, nargs="+")
    parser.add_argument("--trust-pickle", action="store_true", help="open the file even if that runs programs that it holds")
    options = parser.parse_args()
    for path in options.file:
        out = convert(path, options.trust_pickle)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
