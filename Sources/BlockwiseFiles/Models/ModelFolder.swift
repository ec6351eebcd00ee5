/// A checkpoint as Hugging Face lays it out: configuration, tokenizer and safetensors in one folder.
public struct ModelFolder: Sendable {
  /// The folder.
  public let path: String
  /// config.json.
  public let configuration: JSONValue
  /// generation_config.json, or what config.json says where that is missing.
  public let generationConfiguration: GenerationConfiguration
  /// The path of tokenizer.json, or nil if there is none.
  public let tokenizerPath: String?
  /// tokenizer_config.json, or nil if there is none.
  public let tokenizerConfiguration: JSONValue?
  /// model.safetensors, or the shards that model.safetensors.index.json names.
  public let weights: any WeightStore

  /// The path of config.json.
  public var configurationPath: String { path + "/config.json" }

  /// Opens a folder.
  ///
  /// - Throws: ``ModelFileError``: config.json or the weights are missing, damaged, or of a kind not read here.
  public init(path: String) throws(ModelFileError) {
    self.path = path
    guard let configuration = try ModelFolder.json(path + "/config.json") else {
      throw .notAModel(path: path, reason: "there is no config.json")
    }
    self.configuration = configuration
    let generationPath = path + "/generation_config.json"
    let fallback = try GenerationConfiguration(configuration, file: path + "/config.json")
    if let json = try ModelFolder.json(generationPath) {
      // The file of defaults may be silent about how a text begins and ends.
      var generation = try GenerationConfiguration(json, file: generationPath)
      if generation.endTokens.isEmpty { generation.endTokens = fallback.endTokens }
      generation.beginToken = generation.beginToken ?? fallback.beginToken
      generation.padToken = generation.padToken ?? fallback.padToken
      generationConfiguration = generation
    } else {
      generationConfiguration = fallback
    }
    tokenizerPath = FileKind.exists(path + "/tokenizer.json") ? path + "/tokenizer.json" : nil
    tokenizerConfiguration = try ModelFolder.json(path + "/tokenizer_config.json")
    weights = try ModelFolder.openWeights(path)
  }

  /// The JSON object in a file, or nil if there is no such file.
  private static func json(_ path: String) throws(ModelFileError) -> JSONValue? {
    guard FileKind.exists(path) else { return nil }
    let mapping = try MappedFile(path: path)
    let value = try ModelFileError.naming(path) { try JSONValue(parsing: mapping.bytes) }
    guard value.objectValue != nil else {
      throw .key(name: "(top)", found: value.summary, expected: "an object", file: path)
    }
    return value
  }

  private static func openWeights(_ path: String) throws(ModelFileError) -> any WeightStore {
    let single = path + "/model.safetensors"
    if FileKind.exists(single) { return try SafetensorsFile(path: single) }
    let index = single + ".index.json"
    if FileKind.exists(index) { return try ShardedSafetensors(indexPath: index) }
    for pickle in ["pytorch_model.bin", "pytorch_model.bin.index.json"]
    where FileKind.exists(path + "/" + pickle) {
      throw .unsupported(
        path: path + "/" + pickle,
        reason: "its weights are pickled Python objects; convert them to safetensors")
    }
    throw .notAModel(
      path: path,
      reason: "there is neither model.safetensors nor model.safetensors.index.json beside config.json")
  }
}
