import Blockwise
import BlockwiseKernels

extension InspectReport {
  /// The report for people.
  func text(listsTensors: Bool) -> String {
    var lines: [String] = []
    func add(_ label: String, _ value: String) {
      lines.append(label + String(repeating: " ", count: max(1, 15 - label.count)) + value)
    }
    add("model", path)
    if let card { add("card", (card.title.map { $0 + " " } ?? "") + "(\(card.path); --card shows it)") }
    add("container", container)
    add("architecture", architecture)
    if case .success(let model) = model { describe(model.configuration, model.traits, add) }
    add("parameters", Self.grouped(elementCount))
    let memory = memoryByteCount.flatMap { $0 == byteCount ? nil : ", \(Self.size($0)) in memory" } ?? ""
    add("weights", Self.size(byteCount) + " in \(tensors.count) tensors" + memory)
    for format in formats {
      let note =
        switch format.resident {
        case nil: ", not supported by this version"
        case format.name: format.isDecoded ? ", decoded in every pass for want of memory" : ""
        case let resident?: ", \(format.name) → \(resident) in memory"
        }
      add(
        "  " + format.name,
        "\(format.tensorCount) tensors, \(Self.grouped(format.elementCount)) elements, \(Self.size(format.byteCount))"
          + note)
    }
    for (index, line) in fallbackLines.enumerated() { add(index == 0 ? "fallback" : "", line) }
    if let cacheByteCount { add("cache", "\(Self.size(cacheByteCount)) per token in f16") }
    switch tokenizer {
    case .success(let facts):
      add("tokenizer", "\(facts.kind), \(Self.grouped(facts.vocabularyCount)) tokens")
      add("special", facts.special.map { "\($0.name) \($0.token)" }.joined(separator: ", "))
      for warning in facts.warnings { add("  note", warning) }
    case .failure(let error): add("tokenizer", "not usable: \(error)")
    }
    if !endTokens.isEmpty { add("ends at", endTokens.map { "\($0)" }.joined(separator: ", ")) }
    let sampling = generation.sampling
    if !sampling.isGreedy || sampling.repetitionPenalty != 1 {
      add("sampling", GenerationReport.words(sampling, hasSeed: false) + " (recommended)")
    }
    switch chatTemplate {
    case .success(let names) where names.isEmpty: add("chat template", "no")
    case .success(let names):
      add("chat template", names == [ChatTemplateSources.defaultName] ? "yes" : names.joined(separator: ", "))
    case .failure(let error): add("chat template", "not usable: \(error)")
    }
    add(
      "kernels",
      "\(kernelVariant.name) (\(KernelVariant.available.map(\.name).joined(separator: ", ")) run here)")
    for (key, curve) in costCurves {
      add(
        "cost of rows",
        curve.points.map { "\($0.rowCount): \(fixed($0.milliseconds, 2))" }.joined(separator: ", ")
          + " ms (\(counted(key.threadCount, "thread")), \(key.kernels), \(key.computesInt8 ? "int8" : "f32"))"
      )
    }
    if let problem {
      add("decoding", "not possible: \(problem)")
    } else if methods.isEmpty {
      add(
        "decoding", "`logits` only: it fills masks, and its mask token is not known"
      )
    } else {
      add("decoding", methods.joined(separator: ", "))
    }
    if listsTensors {
      lines.append("")
      let width = tensors.reduce(0) { max($0, $1.name.count) }
      for tensor in tensors {
        let padding = String(repeating: " ", count: width - tensor.name.count + 2)
        lines.append(
          "\(tensor.name)\(padding)\(tensor.type.name) \(tensor.shape) \(Self.size(tensor.byteCount))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func describe(
    _ configuration: DecoderConfiguration, _ traits: ModelTraits, _ add: (String, String) -> Void
  ) {
    add("family", traits.family)
    if let whole = traits.multimodalArchitecture {
      add("part", "the text part of \(whole); images and sound are not read")
    }
    add(
      "shape",
      "\(configuration.layerCount) layers, hidden \(configuration.hiddenSize), "
        + "\(configuration.headCount) heads (\(configuration.keyValueHeadCount) for keys and values) of "
        + "\(configuration.headDimension), feed-forward \(configuration.feedForwardSize)")
    add("vocabulary", Self.grouped(traits.vocabularyCount) + " rows")
    add("context", Self.grouped(traits.contextLength) + " tokens")
    add("sees", Self.words(traits.contextMask))
    add("logits", traits.logitAlignment == .same ? "row i predicts token i" : "row i predicts token i + 1")
    if let token = traits.maskToken { add("mask token", "\(token)") }
  }

  /// A line for every type and path of tensors that no kernel for their own type computes with.
  private var fallbackLines: [String] {
    var groups: [(key: String, tensors: [WeightPlacement])] = []
    for tensor in fallbacks {
      let key = "\(tensor.type.name) \(tensor.path.rawValue)"
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].tensors.append(tensor)
      } else {
        groups.append((key, [tensor]))
      }
    }
    return groups.map { group in
      let tensors = group.tensors
      let first = tensors[0]
      let count = tensors.count == 1 ? "1 tensor" : "\(tensors.count) tensors"
      var line = "\(first.type.name): \(count), \(first.name)"
      if tensors.count > 1 { line += " … \(tensors[tensors.count - 1].name)" }
      switch first.path {
      case .decoded: return line + ", decoded in every pass"
      case .scalar: line += ", computed without vectors"
      case .vector, .rows, .elements: break
      }
      let share = Double(first.byteCount) / Double(max(1, first.fileByteCount))
      if share > 1, let format = first.format {
        line += ", \(fixed(share, 1)) times the bytes as \(format.name)"
      }
      return line
    }
  }

  private static func words(_ mask: ModelTraits.ContextMask) -> String {
    switch mask {
    case .causal: "earlier tokens (causal)"
    case .bidirectional: "all tokens (bidirectional)"
    case .blockCausal(let size): "its block of \(size) and earlier blocks (block-causal)"
    case .contextCausal(let size): "a causal context and its open block of \(size) (context-causal)"
    }
  }

  /// A number with its thousands apart.
  static func grouped(_ number: Int) -> String {
    var result = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0 { result.append(" ") }
      result.append(digit)
    }
    return String(result.reversed())
  }

  /// Bytes in a unit that fits.
  static func size(_ byteCount: Int) -> String {
    switch byteCount {
    case ..<10_240: "\(byteCount) B"
    case ..<10_485_760: "\(fixed(Double(byteCount) / 1024, 1)) KiB"
    case ..<10_737_418_240: "\(fixed(Double(byteCount) / 1_048_576, 1)) MiB"
    default: "\(fixed(Double(byteCount) / 1_073_741_824, 1)) GiB"
    }
  }
}
