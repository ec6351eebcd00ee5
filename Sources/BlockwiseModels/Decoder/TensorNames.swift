internal import BlockwiseFiles

/// What the tensors of a checkpoint are called, per family and container.
struct TensorNames: Sendable {
  var embedding: String
  var finalNorm: String
  var head: String
  /// Text before and behind the layer's number in all names of a layer.
  var layerPrefix: String
  /// Whether the layer's number stands behind the prefix; EAGLE-3 has one layer without.
  var numbersLayers = true
  var attentionNorm: String
  /// The norm of the vectors that rows bring along.
  var vectorNorm = ""
  var query: String
  var key: String
  var value: String
  /// One tensor with the rows of q, k and v, in place of three (Phi-3, GPT-NeoX).
  var fusedQueryKeyValue: String? = nil
  /// The fused tensor holds q, k and v of the first head, then of the second, … (GPT-NeoX in Hugging Face layout).
  var fusesPerHead = false
  var attentionOutput: String
  /// Norms behind attention and feed-forward network, for families that have them.
  var attentionPostNorm: String = ""
  var feedForwardPostNorm: String = ""
  var queryNorm: String
  var keyNorm: String
  var feedForwardNorm: String
  var gate: String
  var up: String
  var down: String
  /// One tensor with the rows of gate and up, in place of two (Phi-3).
  var fusedGateUp: String? = nil
  var router: String
  /// The projections of expert `e`: `@` stands for the number; without it one tensor holds all experts.
  var expertGate: String
  var expertUp: String
  var expertDown: String

  /// The full name of a layer's weight.
  func weight(_ layer: Int, _ part: String) -> String { "\(prefix(layer))\(part).weight" }
  /// The full name of a layer's bias.
  func bias(_ layer: Int, _ part: String) -> String { "\(prefix(layer))\(part).bias" }
  private func prefix(_ layer: Int) -> String { numbersLayers ? "\(layerPrefix)\(layer)." : layerPrefix }
  /// The name of the bias that belongs to a weight.
  static func bias(of weight: String) -> String {
    weight.hasSuffix(".weight") ? "\(weight.dropLast(6))bias" : weight + ".bias"
  }
  /// The full name of an expert's weight.
  func weight(_ layer: Int, _ part: String, expert: Int) -> String {
    "\(layerPrefix)\(layer).\(part.replacing("@", with: "\(expert)")).weight"
  }

  /// Names of the Llama lineage in transformers: Llama, Mistral, Qwen2, Qwen3 and what is derived from them.
  static let huggingFace = TensorNames(
    embedding: "model.embed_tokens.weight", finalNorm: "model.norm.weight", head: "lm_head.weight",
    layerPrefix: "model.layers.", attentionNorm: "input_layernorm", query: "self_attn.q_proj",
    key: "self_attn.k_proj", value: "self_attn.v_proj", attentionOutput: "self_attn.o_proj",
    queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm", feedForwardNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj", router: "mlp.gate",
    expertGate: "mlp.experts.@.gate_proj", expertUp: "mlp.experts.@.up_proj",
    expertDown: "mlp.experts.@.down_proj")

  /// Names in GGUF files.
  static let gguf = TensorNames(
    embedding: "token_embd.weight", finalNorm: "output_norm.weight", head: "output.weight",
    layerPrefix: "blk.",
    attentionNorm: "attn_norm", query: "attn_q", key: "attn_k", value: "attn_v",
    attentionOutput: "attn_output",
    queryNorm: "attn_q_norm", keyNorm: "attn_k_norm", feedForwardNorm: "ffn_norm", gate: "ffn_gate",
    up: "ffn_up", down: "ffn_down", router: "ffn_gate_inp", expertGate: "ffn_gate_exps",
    expertUp: "ffn_up_exps", expertDown: "ffn_down_exps")

  /// The names as a checkpoint has them whose text model is part of a larger one.
  func located(in store: any WeightStore) -> TensorNames {
    guard !store.contains(embedding), embedding.hasPrefix("model.") else { return self }
    for prefix in ["language_model.model.", "model.language_model."] {
      func moved(_ name: String) -> String {
        name.hasPrefix("model.") ? prefix + name.dropFirst("model.".count) : name
      }
      guard store.contains(moved(embedding)) else { continue }
      var names = self
      (names.embedding, names.finalNorm) = (moved(embedding), moved(finalNorm))
      names.layerPrefix = moved(layerPrefix)
      if !store.contains(head), store.contains("language_model." + head) {
        names.head = "language_model." + head
      }
      return names
    }
    return self
  }
}
