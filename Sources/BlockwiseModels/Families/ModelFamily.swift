internal import BlockwiseFiles

/// A model family: how its configuration and tensor names map to the generic decoder stack.
///
/// A new family is one file with one of these, registered in ``ModelFamilies``.
protocol ModelFamily: Sendable {
  /// The name in traits and messages.
  static var name: String { get }
  /// Values of `architectures` in config.json.
  static var architectures: [String] { get }
  /// Values of `model_type` in config.json, for files without `architectures`.
  static var modelTypes: [String] { get }
  /// Values of `general.architecture` in GGUF files.
  static var ggufArchitectures: [String] { get }

  /// Reads a transformers-style configuration.
  static func describe(_ config: ConfigReader) throws -> ModelDescription
  /// Reads the metadata of a GGUF file.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription
}

extension ModelFamily {
  static var ggufArchitectures: [String] { [] }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    throw ModelError.architecture(
      found: metadata.architecture, file: metadata.file, known: ModelFamilies.ggufNames)
  }
}

/// Everything about a model but its weights.
struct ModelDescription: Sendable {
  var configuration: DecoderConfiguration
  var traits: ModelTraits
  var names: TensorNames
  /// A tensor of divisors of the rotary frequencies, where files of the family may have one.
  var tensorOfRotaryDivisors: String?

  init(
    configuration: DecoderConfiguration, traits: ModelTraits, names: TensorNames,
    tensorOfRotaryDivisors: String? = nil
  ) {
    self.configuration = configuration
    self.traits = traits
    self.names = names
    self.tensorOfRotaryDivisors = tensorOfRotaryDivisors
  }
}

/// The family table.
enum ModelFamilies {
  static let all: [any ModelFamily.Type] = [
    Llama.self, Mistral.self, Qwen2.self, Qwen3.self, Qwen3MoE.self, LLaDA.self, Dream.self, SDAR.self,
    FastDLLM.self, Phi3.self, SmolLM3.self, Gemma2.self, Gemma3.self,
  ]

  static var architectureNames: [String] { all.flatMap { $0.architectures } }
  static var ggufNames: [String] { all.flatMap { $0.ggufArchitectures } }

  /// Finds the family of a config.json: by `architectures`, else by `model_type`.
  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let architecture = try config.strings("architectures")?.first
    let modelType = try config.optionalString("model_type")
    for family in all {
      if let architecture {
        if family.architectures.contains(architecture) { return try family.describe(config) }
      } else if let modelType, family.modelTypes.contains(modelType) {
        return try family.describe(config)
      }
    }
    throw ModelError.architecture(
      found: architecture ?? modelType ?? "none", file: config.file, known: architectureNames)
  }

  /// Finds the family of a GGUF file by `general.architecture`.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    for family in all where family.ggufArchitectures.contains(metadata.architecture) {
      return try family.describe(metadata)
    }
    throw ModelError.architecture(found: metadata.architecture, file: metadata.file, known: ggufNames)
  }
}
