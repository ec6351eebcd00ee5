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

  /// What transformers takes for keys that config.json does not have (a key that is null stays null).
  static var defaults: JSONValue { get }
  /// Multimodal architectures of one flat configuration whose text part is of this family.
  static var multimodalArchitectures: [String] { get }

  /// Reads a transformers-style configuration.
  static func describe(_ config: ConfigReader) throws -> ModelDescription
  /// Reads the metadata of a GGUF file.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription
}

extension ModelFamily {
  static var ggufArchitectures: [String] { [] }
  static var defaults: JSONValue { .object(JSONObject()) }
  static var multimodalArchitectures: [String] { [] }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    throw ModelError.architecture(
      found: metadata.architecture, file: metadata.file, known: ModelFamilies.ggufNames)
  }
}

extension ModelFamily {
  /// The description, with the family's defaults for missing keys.
  fileprivate static func description(_ config: ConfigReader) throws -> ModelDescription {
    try describe(config.filling(defaults))
  }
}

/// Everything about a model but its weights.
struct ModelDescription: Sendable {
  var configuration: DecoderConfiguration
  var traits: ModelTraits
  var names: TensorNames
  /// Rotary scaling that files of the family may bring as tensors.
  var rotaryTensors: RotaryTensors?

  init(
    configuration: DecoderConfiguration, traits: ModelTraits, names: TensorNames,
    rotaryTensors: RotaryTensors? = nil
  ) {
    self.configuration = configuration
    self.traits = traits
    self.names = names
    self.rotaryTensors = rotaryTensors
  }

  /// Divisors of the rotary frequencies in tensors of a GGUF file.
  enum RotaryTensors: Sendable {
    /// One list, if the tensor is there.
    case divisors(String)
    /// Longrope's two lists, which must be there.
    case longrope(short: String, long: String, originalContext: Int, attentionFactor: Double)
  }
}

/// The family table.
enum ModelFamilies {
  static let all: [any ModelFamily.Type] = [
    Llama.self, Mistral.self, Qwen2.self, Qwen3.self, Qwen3MoE.self, LLaDA.self, Dream.self, SDAR.self,
    FastDLLM.self, Phi3.self, SmolLM3.self, Gemma2.self, Gemma3.self,
    GPTNeoX.self,
  ]

  static var architectureNames: [String] { all.flatMap { $0.architectures } }
  static var ggufNames: [String] { all.flatMap { $0.ggufArchitectures } }

  /// Finds the family of a config.json: by `architectures`, else by `model_type`; of a multimodal one, the family of
  /// its text part.
  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let architecture = try config.strings("architectures")?.first
    let modelType = try config.optionalString("model_type")
    for family in all {
      if let architecture {
        if family.architectures.contains(architecture) { return try family.description(config) }
      } else if let modelType, family.modelTypes.contains(modelType) {
        return try family.description(config)
      }
    }
    if let architecture, var description = try describeTextPart(config, of: architecture) {
      description.traits.multimodalArchitecture = architecture
      return description
    }
    throw ModelError.architecture(
      found: architecture ?? modelType ?? "none", file: config.file, known: architectureNames)
  }

  /// Multimodal checkpoints nest the text model's configuration, or (older ones) keep it flat.
  private static func describeTextPart(
    _ config: ConfigReader, of architecture: String
  ) throws -> ModelDescription? {
    for key in ["text_config", "llm_config"] {
      guard let inner = try config.object(key) else { continue }
      // What belongs to the whole stands outside and counts before the part's own.
      let reader = inner.replacing("tie_word_embeddings", with: config.value("tie_word_embeddings"))
      let modelType = try reader.optionalString("model_type")
      let names = try reader.strings("architectures") ?? []
      for family in all {
        if let modelType, family.modelTypes.contains(modelType) { return try family.description(reader) }
        if modelType == nil, let name = names.first, family.architectures.contains(name) {
          return try family.description(reader)
        }
      }
      throw ModelError.architecture(
        found: "\(architecture) with a text part of type \(modelType ?? names.first ?? "none")",
        file: config.file, known: architectureNames)
    }
    for family in all where family.multimodalArchitectures.contains(architecture) {
      return try family.description(config)
    }
    return nil
  }

  /// Finds the family of a GGUF file by `general.architecture`.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    for family in all where family.ggufArchitectures.contains(metadata.architecture) {
      return try family.describe(metadata)
    }
    throw ModelError.architecture(found: metadata.architecture, file: metadata.file, known: ggufNames)
  }
}
