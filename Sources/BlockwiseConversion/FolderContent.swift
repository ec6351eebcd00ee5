internal import BlockwiseFiles
internal import BlockwiseModels
internal import BlockwiseText

/// What a Hugging Face folder is made of.
struct FolderContent {
  /// Names and contents of the files beside the weights.
  var files: [(name: String, bytes: [UInt8])]
  var tensors: [ExportTensor]
  var notes: [String]
  /// Whether it was a folder before.
  var isRewritten = false

  /// The content of a folder made from a GGUF file.
  init(exporting file: GGUFFile, format: QuantizationFormat) throws {
    let export = try FolderExport(file, typeName: Self.typeName(format))
    let tokenizer = try TokenizerJSONExport(
      file, tokenizer: try Tokenizer.load(gguf: file), contextLength: export.configuration.contextLength)
    files = [
      ("config.json", Self.text(.object(export.config))),
      ("generation_config.json", Self.text(.object(export.generation))),
      ("tokenizer.json", Self.text(tokenizer.tokenizer)),
      ("tokenizer_config.json", Self.text(tokenizer.configuration)),
    ]
    tensors = export.tensors
    notes = export.notes + tokenizer.notes
  }

  /// The same folder in another format: every file beside the weights is copied, and config.json names the format.
  init(rewriting folder: ModelFolder, format: QuantizationFormat) throws {
    var config = folder.configuration.objectValue ?? JSONObject()
    if config["quantization_config"].map({ !$0.isNull }) ?? false {
      throw ConversionError.inexpressible(
        "quantization_config", container: "another format", file: folder.configurationPath)
    }
    config[config["dtype"] != nil ? "dtype" : "torch_dtype"] = .string(Self.typeName(format))
    files = [("config.json", Self.text(.object(config)))]
    for name in [
      "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json",
      "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
      "chat_template.json", "preprocessor_config.json", "processor_config.json",
    ] where FileIdentity(folder.path + "/" + name) != nil {
      let file = try MappedFile(path: folder.path + "/" + name)
      files.append((name, withExtendedLifetime(file) { Array(file.bytes) }))
    }
    tensors = try folder.weights.names.map { name in
      let view = try folder.weights.tensor(named: name)
      return ExportTensor(name, shape: view.shape, role: .vector, source: .tensors([view]))
    }
    notes = []
    isRewritten = true
  }

  private static func typeName(_ format: QuantizationFormat) -> String {
    switch format {
    case .f16: "float16"
    case .bf16: "bfloat16"
    default: "float32"
    }
  }

  private static func text(_ value: JSONValue) -> [UInt8] { value.bytes() + [UInt8(ascii: "\n")] }
}
