internal import BlockwiseFiles

/// One tensor of a GGUF file and what corresponds to it in a Hugging Face folder.
struct TensorPair {
  /// Names in the folder: one, or one per expert.
  var folderNames: [String]
  /// The name in the GGUF file.
  var ggufName: String
  /// Dimensions in the GGUF file, outermost first; experts are the first of three.
  var shape: [Int]
  /// What it is to the model.
  var role: ExportTensor.Role
  /// How rows move from the folder to the file.
  var order = RowOrder.stored
  /// Increases values on the way from the folder to the file.
  var summand: Float = 0

  /// Dimensions in the folder.
  var folderShape: [Int] { folderNames.count > 1 ? Array(shape.dropFirst()) : shape }
}

/// Lists the tensors of a model under their names in both containers.
struct TensorPairs {
  let configuration: DecoderConfiguration
  /// Names in a folder.
  let folder: TensorNames
  /// Names in a GGUF file.
  let gguf: TensorNames
  /// Whether GGUF has the rows of q and k in pairs that rotate together.
  let pairsRows: Bool
  /// Whether folders store norms less one.
  let addsOne: Bool

  /// All tensors, in the order in which GGUF files have them.
  func all() -> [TensorPair] {
    let configuration = configuration
    let hidden = configuration.hiddenSize
    var pairs = [
      TensorPair(
        folderNames: [folder.embedding], ggufName: gguf.embedding,
        shape: [configuration.vocabularyCount, hidden], role: .embedding)
    ]
    for layer in 0..<configuration.layerCount {
      pairs += attention(layer)
      pairs += feedForward(layer)
    }
    pairs += norm(folder.finalNorm, gguf.finalNorm, hidden)
    if !configuration.tiesEmbeddings {
      pairs.append(
        TensorPair(
          folderNames: [folder.head], ggufName: gguf.head, shape: [configuration.vocabularyCount, hidden],
          role: .head))
    }
    return pairs
  }

  private func attention(_ layer: Int) -> [TensorPair] {
    let configuration = configuration
    let (hidden, size) = (configuration.hiddenSize, configuration.headDimension)
    let hasBias = configuration.hasQueryKeyValueBias
    let rotated: RowOrder = pairsRows ? .paired(headDimension: size) : .stored
    var pairs = norm(layer, folder.attentionNorm, gguf.attentionNorm, hidden)
    if let from = folder.fusedQueryKeyValue, let to = gguf.fusedQueryKeyValue {
      pairs += projection(
        layer, from, to, [configuration.queryKeyValueSize, hidden], hasBias: hasBias,
        order: folder.fusesPerHead
          ? .grouped(headCount: configuration.headCount, headDimension: size) : .stored)
    } else {
      pairs += projection(
        layer, folder.query, gguf.query, [configuration.querySize, hidden], hasBias: hasBias, order: rotated)
      pairs += projection(
        layer, folder.key, gguf.key, [configuration.keyValueSize, hidden], hasBias: hasBias, order: rotated)
      pairs += projection(
        layer, folder.value, gguf.value, [configuration.keyValueSize, hidden], hasBias: hasBias)
    }
    if configuration.hasQueryKeyNorm {
      pairs += norm(layer, folder.queryNorm, gguf.queryNorm, size)
      pairs += norm(layer, folder.keyNorm, gguf.keyNorm, size)
    }
    pairs += projection(
      layer, folder.attentionOutput, gguf.attentionOutput, [hidden, configuration.querySize],
      hasBias: configuration.hasAttentionOutputBias)
    if configuration.hasPostNorms {
      pairs += norm(layer, folder.attentionPostNorm, gguf.attentionPostNorm, hidden)
    }
    return pairs
  }

  private func feedForward(_ layer: Int) -> [TensorPair] {
    let configuration = configuration
    let hidden = configuration.hiddenSize
    var pairs = norm(layer, folder.feedForwardNorm, gguf.feedForwardNorm, hidden)
    if let mixture = configuration.mixture, mixture.layers[layer] {
      let (count, inner) = (mixture.expertCount, mixture.feedForwardSize)
      pairs.append(
        TensorPair(
          folderNames: [folder.weight(layer, folder.router)], ggufName: gguf.weight(layer, gguf.router),
          shape: [count, hidden], role: .router))
      for (from, to, shape) in [
        (folder.expertGate, gguf.expertGate, [count, inner, hidden]),
        (folder.expertUp, gguf.expertUp, [count, inner, hidden]),
        (folder.expertDown, gguf.expertDown, [count, hidden, inner]),
      ] {
        pairs.append(
          TensorPair(
            folderNames: (0..<count).map { folder.weight(layer, from, expert: $0) },
            ggufName: gguf.weight(layer, to), shape: shape, role: .matrix(layer: layer)))
      }
    } else {
      let inner = configuration.feedForwardSize
      let hasBias = configuration.hasFeedForwardBias
      if let from = folder.fusedGateUp, let to = gguf.fusedGateUp {
        pairs += projection(layer, from, to, [2 * inner, hidden], hasBias: hasBias)
      } else {
        if configuration.hasGate {
          pairs += projection(layer, folder.gate, gguf.gate, [inner, hidden], hasBias: hasBias)
        }
        pairs += projection(layer, folder.up, gguf.up, [inner, hidden], hasBias: hasBias)
      }
      pairs += projection(layer, folder.down, gguf.down, [hidden, inner], hasBias: hasBias)
    }
    if configuration.hasPostNorms {
      pairs += norm(layer, folder.feedForwardPostNorm, gguf.feedForwardPostNorm, hidden)
    }
    return pairs
  }

  private func projection(
    _ layer: Int, _ from: String, _ to: String, _ shape: [Int], hasBias: Bool, order: RowOrder = .stored
  ) -> [TensorPair] {
    var pairs = [
      TensorPair(
        folderNames: [folder.weight(layer, from)], ggufName: gguf.weight(layer, to), shape: shape,
        role: .matrix(layer: layer), order: order)
    ]
    if hasBias {
      pairs.append(
        TensorPair(
          folderNames: [folder.bias(layer, from)], ggufName: gguf.bias(layer, to), shape: [shape[0]],
          role: .vector, order: order))
    }
    return pairs
  }

  private func norm(_ layer: Int, _ from: String, _ to: String, _ count: Int) -> [TensorPair] {
    norm(folder.weight(layer, from), gguf.weight(layer, to), count)
  }

  private func norm(_ from: String, _ to: String, _ count: Int) -> [TensorPair] {
    var pairs = [
      TensorPair(
        folderNames: [from], ggufName: to, shape: [count], role: .vector, summand: addsOne ? 1 : 0)
    ]
    if configuration.hasLayerNorm {
      pairs.append(
        TensorPair(
          folderNames: [TensorNames.bias(of: from)], ggufName: TensorNames.bias(of: to), shape: [count],
          role: .vector))
    }
    return pairs
  }
}

/// What a family is called and how it is laid out in each container.
struct ExportFamily {
  /// `general.architecture` in GGUF.
  var architecture: String
  /// `architectures` and `model_type` in config.json.
  var className: String
  var modelType: String
  /// The names of tensors.
  var folder: TensorNames
  var gguf: TensorNames
  /// Whether GGUF has the rows of q and k in pairs that rotate together.
  var pairsRows = false
  /// Whether folders store norms less one.
  var addsOne = false

  /// The family by its name in traits; nil for those that GGUF has no architecture for.
  static func named(_ family: String) -> ExportFamily? {
    var fused = TensorNames.gguf
    fused.fusedQueryKeyValue = "attn_qkv"
    switch family {
    case Llama.name:
      return ExportFamily(
        architecture: "llama", className: "LlamaForCausalLM", modelType: "llama", folder: .huggingFace,
        gguf: .gguf, pairsRows: true)
    case Mistral.name:
      return ExportFamily(
        architecture: "llama", className: "MistralForCausalLM", modelType: "mistral", folder: .huggingFace,
        gguf: .gguf, pairsRows: true)
    case SmolLM3.name:
      return ExportFamily(
        architecture: "smollm3", className: "SmolLM3ForCausalLM", modelType: "smollm3", folder: .huggingFace,
        gguf: .gguf, pairsRows: true)
    case Qwen2.name:
      return ExportFamily(
        architecture: "qwen2", className: "Qwen2ForCausalLM", modelType: "qwen2", folder: .huggingFace,
        gguf: .gguf)
    case Qwen3.name:
      return ExportFamily(
        architecture: "qwen3", className: "Qwen3ForCausalLM", modelType: "qwen3", folder: .huggingFace,
        gguf: .gguf)
    case Qwen3MoE.name:
      return ExportFamily(
        architecture: "qwen3moe", className: "Qwen3MoeForCausalLM", modelType: "qwen3_moe",
        folder: .huggingFace, gguf: .gguf)
    case LLaDA.name:
      return ExportFamily(
        architecture: "llada", className: "LLaDAModelLM", modelType: "llada", folder: LLaDA.names,
        gguf: .gguf,
        pairsRows: true)
    case Dream.name:
      return ExportFamily(
        architecture: "dream", className: "DreamModel", modelType: "Dream", folder: .huggingFace, gguf: .gguf)
    case SDAR.name:
      return ExportFamily(
        architecture: "sdar", className: "SDARForCausalLM", modelType: "sdar", folder: .huggingFace,
        gguf: .gguf)
    case FastDLLM.name:
      return ExportFamily(
        architecture: "fast-dllm", className: "Fast_dLLM_QwenForCausalLM", modelType: "Fast_dLLM_Qwen",
        folder: .huggingFace, gguf: .gguf)
    case Gemma2.name:
      return ExportFamily(
        architecture: "gemma2", className: "Gemma2ForCausalLM", modelType: "gemma2", folder: .gemma,
        gguf: .gemmaGGUF, addsOne: true)
    case Gemma3.name:
      return ExportFamily(
        architecture: "gemma3", className: "Gemma3ForCausalLM", modelType: "gemma3_text", folder: .gemma,
        gguf: .gemmaGGUF, addsOne: true)
    case GPTNeoX.name:
      return ExportFamily(
        architecture: "gptneox", className: "GPTNeoXForCausalLM", modelType: "gpt_neox", folder: .neoX,
        gguf: fused)
    case Phi3.name:
      var folder = TensorNames.huggingFace
      folder.fusedQueryKeyValue = "self_attn.qkv_proj"
      folder.fusedGateUp = "mlp.gate_up_proj"
      fused.fusedGateUp = "ffn_up"
      return ExportFamily(
        architecture: "phi3", className: "Phi3ForCausalLM", modelType: "phi3", folder: folder, gguf: fused)
    default: return nil
    }
  }

  /// Families that can be converted, for messages.
  static let names = [
    Llama.name, Mistral.name, SmolLM3.name, Qwen2.name, Qwen3.name, Qwen3MoE.name, LLaDA.name, Dream.name,
    SDAR.name, FastDLLM.name, Gemma2.name, Gemma3.name, GPTNeoX.name, Phi3.name,
  ]
}
