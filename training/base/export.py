"""Writes a trained base model as a GGUF file and, on request, as a Hugging Face folder.

    python training/base/export.py --run training/runs/base --gguf Models/base/base.gguf
    python training/base/export.py --run training/runs/base --hf base-hf
"""

import argparse
import json
from pathlib import Path

import gguf
import torch
from model import ModelConfig
from safetensors.torch import save_file
from tokenizers import Tokenizer
from train_tokenizer import SPECIAL

END, START_TURN, END_TURN, MASK = SPECIAL

NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    stem, ending = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[stem]}.{ending}"


def write_gguf(path: Path, config: ModelConfig, weights: dict, tokenizer: Tokenizer, quantization: str, name: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    w = gguf.GGUFWriter(path, "qwen2")
    w.add_name(name)
    w.add_license("apache-2.0")
    w.add_description("a first small model: tells simple stories; see README.md beside it")
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_theta)
    w.add_vocab_size(config.vocab_size)
    w.add_file_type({"Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "F16": gguf.LlamaFileType.MOSTLY_F16}[quantization])
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)

    entries = sorted(tokenizer.get_vocab().items(), key=lambda x: x[1])
    special = set(tokenizer.get_added_tokens_decoder())
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([token for token, _ in entries])
    w.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for _, i in entries])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_eos_token_id(tokenizer.token_to_id(END))
    w.add_pad_token_id(tokenizer.token_to_id(END))
    w.add_mask_token_id(tokenizer.token_to_id(MASK))
    w.add_add_bos_token(False)

    kind = gguf.GGMLQuantizationType[quantization]
    for key, tensor in weights.items():
        data = tensor.float().numpy()
        if data.ndim == 1:  # norms and biases stay f32
            w.add_tensor(gguf_name(key), data)
        else:
            w.add_tensor(gguf_name(key), gguf.quants.quantize(data, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_folder(folder: Path, config: ModelConfig, weights: dict, tokenizer: Tokenizer):
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, value):
        (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    end = tokenizer.token_to_id(END)
    write("config.json", {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "attention_dropout": 0.0,
        **{k: v for k, v in config.to_dict().items() if k != "rope_theta"},
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta}, "tie_word_embeddings": True,
        "use_sliding_window": False, "sliding_window": None, "bos_token_id": None, "eos_token_id": end, "pad_token_id": end,
        "initializer_range": 0.04, "use_cache": True, "dtype": "float32"})
    write("generation_config.json", {"eos_token_id": end, "pad_token_id": end, "do_sample": True, "temperature": 0.8,
                                     "top_p": 0.95})
    tokenizer.save(str(folder / "tokenizer.json"))
    write("tokenizer_config.json", {
        "add_bos_token": False, "add_eos_token": False, "bos_token": None, "eos_token": END, "pad_token": END,
        "clean_up_tokenization_spaces": False, "model_max_length": config.max_position_embeddings,
        "tokenizer_class": "PreTrainedTokenizerFast"})
    save_file({k: v.float().contiguous() for k, v in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--quantization", choices=["Q8_0", "F16"], default="Q8_0")
    parser.add_argument("--hf", type=Path, help="also write a folder for transformers (f32)")
    parser.add_argument("--name", default="Blockwise base")
    options = parser.parse_args()
    if not (options.gguf or options.hf):
        parser.error("give --gguf, --hf or both")
    state = torch.load(options.run / "checkpoint.pt", weights_only=True)
    config = ModelConfig(**state["config"])
    tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    if options.gguf:
        write_gguf(options.gguf, config, state["model"], tokenizer, options.quantization, options.name)
        print(f"{options.gguf}: {options.gguf.stat().st_size / 1e6:.2f} MB after {state['step']} steps")
    if options.hf:
        write_folder(options.hf, config, state["model"], tokenizer)
        print(f"{options.hf}: step {state['step']}")


if __name__ == "__main__":
    main()
