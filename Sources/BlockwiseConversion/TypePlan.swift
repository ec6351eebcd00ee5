internal import BlockwiseFiles
internal import BlockwiseModels

/// Decides how each tensor of the output is stored.
struct TypePlan {
  private let options: ConversionOptions
  private let layerCount: Int
  private let tiesEmbeddings: Bool
  /// Whether tensors that are no floats pass through: in a container that is only rewritten.
  private let passesOthers: Bool
  private var usedOverrides: Set<Int> = []
  private(set) var notes: [String] = []
  private var fallbacks: [String: Int] = [:]

  init(_ options: ConversionOptions, layerCount: Int, tiesEmbeddings: Bool, passesOthers: Bool) {
    self.passesOthers = passesOthers
    self.options = options
    self.layerCount = layerCount
    self.tiesEmbeddings = tiesEmbeddings
  }

  /// The types of all tensors.
  mutating func types(_ tensors: [ExportTensor]) throws -> [TensorType] {
    let types = try tensors.map { try type($0) }
    for (index, override) in options.overrides.enumerated() where !usedOverrides.contains(index) {
      throw ConversionError.unusedOverride(override.pattern, reason: reason(override, index, tensors))
    }
    let again = zip(tensors, types).count { tensor, type in
      guard let stored = tensor.storedType else { return false }
      return stored.blockElementCount > 1 && type != stored
    }
    if again > 0, options.container == .gguf, !options.format.isFloat {
      notes.append(
        "\(again) tensors were quantised already: errors add up; the original weights would give better results"
      )
    }
    for (what, count) in fallbacks.sorted(by: { $0.key < $1.key }) {
      notes.append("\(count) tensor\(count == 1 ? "" : "s"): \(what)")
    }
    return types
  }

  /// Why an override decides about nothing.
  private func reason(
    _ override: ConversionOptions.Override, _ index: Int, _ tensors: [ExportTensor]
  ) -> String {
    let fitting = tensors.filter { $0.name.contains(override.pattern) }
    if fitting.isEmpty { return "no tensor has this in its name" }
    if let earlier = options.overrides[..<index].first(where: { earlier in
      fitting.contains { $0.name.contains(earlier.pattern) }
    }) {
      return "an earlier one, \(earlier.pattern), decides about the tensors with this in their names"
    }
    return "only norms, biases and routers have this in their names, which stay f32"
  }

  private mutating func type(_ tensor: ExportTensor) throws -> TensorType {
    // Positions and flags pass through a container that is rewritten. Elsewhere they would be codes of weights whose
    // meaning is not known here.
    if let stored = tensor.storedType, !stored.isDecodable {
      let isPlain = stored.blockElementCount == 1 && !stored.name.hasPrefix("F")
      guard passesOthers, isPlain, !tensor.changesValues else { throw unreadable(tensor, stored) }
      return stored
    }
    if options.container == .hf { return options.format.matrixType }
    switch tensor.role {
    case .vector, .router: return .f32
    case .matrix, .embedding, .head: break
    }
    guard tensor.shape.count > 1 else { return .f32 }
    return fitted(wanted(tensor), tensor)
  }

  private mutating func wanted(_ tensor: ExportTensor) -> TensorType {
    for (index, override) in options.overrides.enumerated() where tensor.name.contains(override.pattern) {
      usedOverrides.insert(index)
      return override.type
    }
    switch tensor.role {
    case .head: return options.headType ?? options.format.headType
    case .embedding where tiesEmbeddings: return options.headType ?? options.format.headType
    case .matrix(let layer): return options.format.matrixType(tensor.name, layer: layer, of: layerCount)
    default: return options.format.matrixType
    }
  }

  /// The next type whose blocks divide the tensor's rows.
  private mutating func fitted(_ wanted: TensorType, _ tensor: ExportTensor) -> TensorType {
    var type = wanted
    while tensor.rowLength % type.blockElementCount != 0 { type = type.fallback }
    if type != wanted {
      let what = "rows of \(tensor.rowLength) are no whole number of \(wanted) blocks; stored as \(type)"
      fallbacks[what, default: 0] += 1
    }
    return type
  }

  private func unreadable(_ tensor: ExportTensor, _ type: TensorType) -> ConversionError {
    guard case .tensors(let views) = tensor.source, let view = views.first else {
      return .unreadable(tensor: tensor.name, type: type.name, file: "")
    }
    return .unreadable(tensor: view.name, type: type.name, file: view.file)
  }
}
