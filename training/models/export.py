"""Writes a trained model as a Hugging Face folder and as a GGUF file, and reads the weights of either back.

    python -m training.models.export --run training/runs/base --hf DIR --gguf base.gguf
"""

import argparse
import dataclasses
import json
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from ..data.chat import TEMPLATE
from .network import Config
from .tokenizer import SPECIAL

END, START_TURN, END_TURN, MASK = SPECIAL

# What an engine must know to decode blocks with a model of the objective `block`.
BLOCK = {"block_size": 32, "block_context": "causal", "shift_logits": True}
NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    stem, ending = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[stem]}.{ending}"


def read_weights(path: Path, vocabulary: int = 0):
    """(Config, state dictionary) of a run's folder, a Hugging Face folder of a Qwen2-type model, or a GGUF file of ours.

    With fewer rows in the embedding table than `vocabulary`, rows equal to the mean of all are added: a model that
    never knew a mask token gets one.
    """
    config, weights = stored_weights(path)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        table = weights.get(name)
        if table is not None and len(table) < vocabulary:
            weights[name] = torch.cat((table, table.mean(dim=0, keepdim=True).expand(vocabulary - len(table), -1)))
    return dataclasses.replace(config, vocab_size=max(vocabulary, config.vocab_size)), weights


def stored_weights(path: Path):
    if path.is_dir() and (path / "checkpoint.pt").exists():
        state = torch.load(path / "checkpoint.pt", weights_only=True)
        return Config(**state["config"]), state["model"]
    if path.is_dir():
        c = json.loads((path / "config.json").read_text())
        if c.get("model_type") not in ("qwen2", "Fast_dLLM_Qwen") or c.get("use_sliding_window"):
            raise SystemExit(f"{path}: only Qwen2-type models without a sliding window are read here, not {c.get('model_type')}")
        rope = c.get("rope_parameters") or c.get("rope_scaling") or {}
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise SystemExit(f"{path}: rope scaling is not supported here")
        c.setdefault("tie_word_embeddings", False)
        values = {k: c[k] for k in Config().to_dict() if k in c} | {"rope_theta": rope.get("rope_theta", c.get("rope_theta", 10000.0))}
        weights = {}
        for file in sorted(path.glob("model*.safetensors")):
            weights |= load_file(file)
        if c["tie_word_embeddings"]:
            weights.pop("lm_head.weight", None)
        return Config(**values), {k: v.float() for k, v in weights.items()}
    reader = gguf.GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()

    def value(key):
        return reader.fields[f"{architecture}.{key}"].contents()

    config = Config(
        tie_word_embeddings=not any(t.name == "output.weight" for t in reader.tensors), vocab_size=value("vocab_size"), hidden_size=value("embedding_length"), intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"), num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"), max_position_embeddings=value("context_length"),
        rope_theta=value("rope.freq_base"), rms_norm_eps=value("attention.layer_norm_rms_epsilon"))
    stored = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    from .network import Network
    weights = {k: torch.from_numpy(stored[gguf_name(k)].copy()).float() for k in Network(config).state_dict()}
    if architecture == "llada":
        weights = {k: reordered(k, v, config, to_pairs=False) for k, v in weights.items()}
    return config, weights


def reordered(name: str, tensor, config: Config, to_pairs: bool):
    """GGUF files of LLaDA have the rows of queries and keys, which rotate as halves, in pairs that rotate together."""
    if ".q_proj." not in name and ".k_proj." not in name:
        return tensor
    shape, half = tensor.shape, config.head_dim // 2
    split = (-1, 2, half) if to_pairs else (-1, half, 2)
    return tensor.reshape(*split, *shape[1:]).transpose(1, 2).reshape(shape)


def write_gguf(path: Path, config: Config, weights: dict, tokenizer: Tokenizer, quantization: str, name: str,
               objective: str = "autoregressive"):
    """`masked` becomes llama.cpp's architecture llada, with biases that llama.cpp has no place for; the others are qwen2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    w = gguf.GGUFWriter(path, "llada" if objective == "masked" else "qwen2")
    w.add_name(name)
    w.add_license("apache-2.0")
    w.add_description("a small model: stories, lists, sums, JSON, Python; see README.md beside it")
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_theta)
    w.add_vocab_size(config.vocab_size)
    if objective == "masked":
        w.add_rope_dimension_count(config.head_dim)
        w.add_causal_attention(False)
        w.add_bool("diffusion.shift_logits", False)
    elif objective == "block":
        w.add_bool("diffusion.shift_logits", True)
        w.add_uint32("blockwise.diffusion.block_size", BLOCK["block_size"])
        w.add_string("blockwise.diffusion.context", BLOCK["block_context"])
    w.add_file_type({"Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "F16": gguf.LlamaFileType.MOSTLY_F16}[quantization])
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)

    entries = sorted(tokenizer.get_vocab().items(), key=lambda x: x[1])
    kinds = {i: gguf.TokenType.CONTROL if t.special else gguf.TokenType.USER_DEFINED
             for i, t in tokenizer.get_added_tokens_decoder().items()}
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([token for token, _ in entries])
    w.add_token_types([kinds.get(i, gguf.TokenType.NORMAL) for _, i in entries])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_eos_token_id(tokenizer.token_to_id(END))
    w.add_eot_token_id(tokenizer.token_to_id(END_TURN))
    w.add_pad_token_id(tokenizer.token_to_id(END))
    w.add_mask_token_id(tokenizer.token_to_id(MASK))
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)

    kind = gguf.GGMLQuantizationType[quantization]
    for key, tensor in weights.items():
        data = (reordered(key, tensor, config, to_pairs=True) if objective == "masked" else tensor).float().contiguous().numpy()
        if data.ndim == 1:  # norms and biases stay f32
            w.add_tensor(gguf_name(key), data)
        else:
            fits = quantization == "F16" or data.shape[1] % 32 == 0  # blocks of Q8_0 hold 32 values
            row = kind if fits else gguf.GGMLQuantizationType.F16
            w.add_tensor(gguf_name(key), gguf.quants.quantize(data, row), raw_dtype=row)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llada_name(name: str) -> str:
    """The name of a parameter in LLaDA's checkpoints."""
    whole = {"model.embed_tokens.weight": "model.transformer.wte.weight", "model.norm.weight": "model.transformer.ln_f.weight",
             "lm_head.weight": "model.transformer.ff_out.weight"}
    if name in whole:
        return whole[name]
    names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ff_norm", "self_attn.q_proj": "q_proj",
             "self_attn.k_proj": "k_proj", "self_attn.v_proj": "v_proj", "self_attn.o_proj": "attn_out",
             "mlp.gate_proj": "ff_proj", "mlp.up_proj": "up_proj", "mlp.down_proj": "ff_out"}
    _, _, layer, rest = name.split(".", 3)
    stem, ending = rest.rsplit(".", 1)
    return f"model.transformer.blocks.{layer}.{names[stem]}.{ending}"


def configuration(config: Config, objective: str, end: int, mask: int) -> dict:
    if objective == "masked":
        return {
            "architectures": ["LLaDAModelLM"], "model_type": "llada", "d_model": config.hidden_size,
            "n_heads": config.num_attention_heads, "n_kv_heads": config.num_key_value_heads, "n_layers": config.num_hidden_layers,
            "mlp_hidden_size": config.intermediate_size, "vocab_size": config.vocab_size, "embedding_size": config.vocab_size,
            "max_sequence_length": config.max_position_embeddings, "rope": True, "rope_theta": config.rope_theta,
            "rms_norm_eps": config.rms_norm_eps, "weight_tying": config.tie_word_embeddings, "block_type": "llama", "layer_norm_type": "rms",
            "activation_type": "silu", "include_bias": False, "include_qkv_bias": True, "mask_token_id": mask,
            "eos_token_id": end, "pad_token_id": end, "dtype": "float32"}
    out = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "attention_dropout": 0.0,
        **{k: v for k, v in config.to_dict().items() if k != "rope_theta"},
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "use_sliding_window": False, "sliding_window": None, "bos_token_id": None, "eos_token_id": end, "pad_token_id": end,
        "initializer_range": 0.04, "use_cache": True, "dtype": "float32"}
    if objective == "block":  # still an ordinary Qwen2 model; an engine that knows these keys may decode blocks
        out |= {"mask_token_id": mask} | BLOCK
    return out


def write_folder(folder: Path, config: Config, weights: dict, tokenizer: Tokenizer, objective: str):
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, value):
        (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    end, turn = tokenizer.token_to_id(END), tokenizer.token_to_id(END_TURN)
    write("config.json", configuration(config, objective, end, tokenizer.token_to_id(MASK)))
    write("generation_config.json", {"eos_token_id": [end, turn], "pad_token_id": end, "do_sample": False})
    tokenizer.save(str(folder / "tokenizer.json"))
    write("tokenizer_config.json", {
        "add_bos_token": False, "add_eos_token": False, "bos_token": None, "eos_token": END, "pad_token": END, "mask_token": MASK,
        "additional_special_tokens": [START_TURN, END_TURN], "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False,
        "model_max_length": config.max_position_embeddings, "tokenizer_class": "PreTrainedTokenizerFast"})
    rename = llada_name if objective == "masked" else str
    save_file({rename(k): v.float().contiguous() for k, v in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the run's)")
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--quantization", choices=["Q8_0", "F16"], default="Q8_0")
    parser.add_argument("--hf", type=Path, help="a folder for transformers (f32)")
    parser.add_argument("--name", default="Blockwise base")
    options = parser.parse_args()
    if not (options.gguf or options.hf):
        parser.error("give --gguf, --hf or both")
    state = torch.load(options.run / "checkpoint.pt", weights_only=True)
    config = Config(**state["config"])
    tokenizer = Tokenizer.from_file(str(options.tokenizer or options.run / "tokenizer.json"))
    if options.hf:
        write_folder(options.hf, config, state["model"], tokenizer, state["objective"])
        print(f"{options.hf}: step {state['step']}")
    if options.gguf:
        write_gguf(options.gguf, config, state["model"], tokenizer, options.quantization, options.name, state["objective"])
        print(f"{options.gguf}: {options.gguf.stat().st_size / 1e6:.2f} MB after {state['step']} steps")


if __name__ == "__main__":
    main()
