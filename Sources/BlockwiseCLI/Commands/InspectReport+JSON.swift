import Blockwise
import BlockwiseKernels

extension InspectReport {
  /// The report for programs.
  var json: JSONValue {
    var object = JSONObject()
    object["path"] = .string(path)
    object["card"] =
      card.map {
        ["path": .string($0.path), "title": $0.title.map { .string($0) } ?? .null, "text": .string($0.text)]
      }
      ?? .null
    object["container"] = .string(container)
    object["architecture"] = .string(architecture)
    object["supported"] = .bool(problem == nil)
    object["problem"] = problem.map { .string($0) } ?? .null
    if case .success(let model) = model {
      object["traits"] = Self.json(model.traits)
      object["configuration"] = Self.json(model.configuration)
    }
    object["parameters"] = .integer(Int64(elementCount))
    object["weight_bytes"] = .integer(Int64(byteCount))
    object["memory_bytes"] = memoryByteCount.map { .integer(Int64($0)) } ?? .null
    object["cache_bytes_per_token"] = cacheByteCount.map { .integer(Int64($0)) } ?? .null
    object["formats"] = .array(
      formats.map { format in
        [
          "name": .string(format.name), "tensors": .integer(Int64(format.tensorCount)),
          "elements": .integer(Int64(format.elementCount)), "bytes": .integer(Int64(format.byteCount)),
          "supported": .bool(format.resident != nil),
          "in_memory": format.resident.map { .string($0) } ?? .null,
        ]
      })
    object["tokenizer"] = tokenizerJSON
    object["end_tokens"] = .array(endTokens.map { .integer(Int64($0.rawValue)) })
    let sampling = generation.sampling
    object["recommended_sampling"] = [
      "temperature": .number(Double(sampling.temperature)),
      "top_k": sampling.topK.map { .integer(Int64($0)) } ?? .null,
      "top_p": .number(Double(sampling.topP)), "min_p": .number(Double(sampling.minP)),
      "repetition_penalty": .number(Double(sampling.repetitionPenalty)),
    ]
    switch chatTemplate {
    case .success(let names):
      object["chat_template"] = .bool(!names.isEmpty)
      object["chat_templates"] = .array(names.map { .string($0) })
    case .failure(let error):
      object["chat_template"] = .bool(false)
      object["chat_template_problem"] = .string("\(error)")
    }
    object["methods"] = .array(methods.map { .string($0) })
    object["kernels"] = .string(kernelVariant.name)
    object["cost_curves"] = .array(
      costCurves.map { key, curve in
        [
          "threads": .integer(Int64(key.threadCount)), "kernels": .string(key.kernels),
          "products": .string(key.computesInt8 ? "int8" : "f32"),
          "rows": .array(curve.points.map { .integer(Int64($0.rowCount)) }),
          "milliseconds": .array(curve.points.map { .number($0.milliseconds) }),
        ]
      })
    object["weight_paths"] = .array(
      shares.map { share in
        [
          "format": .string(share.format), "path": .string(share.path.rawValue),
          "tensors": .integer(Int64(share.tensorCount)), "memory_bytes": .integer(Int64(share.byteCount)),
        ]
      })
    object["fallbacks"] = .array(
      fallbacks.map { tensor in
        [
          "name": .string(tensor.name), "type": .string(tensor.type.name),
          "in_memory": .string(tensor.format?.name ?? tensor.type.name),
          "path": .string(tensor.path.rawValue),
          "bytes": .integer(Int64(tensor.fileByteCount)), "memory_bytes": .integer(Int64(tensor.byteCount)),
        ]
      })
    object["tensors"] = .array(
      tensors.map { tensor in
        [
          "name": .string(tensor.name), "type": .string(tensor.type.name),
          "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
          "bytes": .integer(Int64(tensor.byteCount)),
        ]
      })
    return .object(object)
  }

  private var tokenizerJSON: JSONValue {
    switch tokenizer {
    case .failure(let error): return ["problem": .string("\(error)")]
    case .success(let facts):
      var special = JSONObject()
      for (name, token) in facts.special { special[name] = .integer(Int64(token.rawValue)) }
      return [
        "kind": .string(facts.kind), "vocabulary": .integer(Int64(facts.vocabularyCount)),
        "special": .object(special), "warnings": .array(facts.warnings.map { .string($0) }),
      ]
    }
  }

  private static func json(_ traits: ModelTraits) -> JSONValue {
    let mask =
      switch traits.contextMask {
      case .causal: "causal"
      case .bidirectional: "bidirectional"
      case .blockCausal: "block-causal"
      case .contextCausal: "context-causal"
      }
    return [
      "family": .string(traits.family),
      "vocabulary": .integer(Int64(traits.vocabularyCount)),
      "context": .integer(Int64(traits.contextLength)),
      "hidden": .integer(Int64(traits.hiddenSize)),
      "layers": .integer(Int64(traits.layerCount)),
      "mask_token": traits.maskToken.map { .integer(Int64($0.rawValue)) } ?? .null,
      "logit_alignment": .string(traits.logitAlignment.rawValue),
      "context_mask": .string(mask),
      "block_size": traits.blockSize.map { .integer(Int64($0)) } ?? .null,
      "autoregressive": .bool(traits.isAutoregressive),
      "text_part_of": traits.multimodalArchitecture.map { .string($0) } ?? .null,
    ]
  }

  private static func json(_ configuration: DecoderConfiguration) -> JSONValue {
    [
      "heads": .integer(Int64(configuration.headCount)),
      "key_value_heads": .integer(Int64(configuration.keyValueHeadCount)),
      "head_dimension": .integer(Int64(configuration.headDimension)),
      "feed_forward": .integer(Int64(configuration.feedForwardSize)),
      "norm_epsilon": .number(Double(configuration.normEpsilon)),
      "tied_embeddings": .bool(configuration.tiesEmbeddings),
      "windows": .array(configuration.windows.map { $0.map { .integer(Int64($0)) } ?? .null }),
      "experts": configuration.mixture.map { .integer(Int64($0.expertCount)) } ?? .null,
    ]
  }
}
