internal import BlockwiseFiles
internal import BlockwiseModels
internal import BlockwiseText
internal import Foundation

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

  /// The same folder in another format: files beside the weights are copied, and config.json names the format. Notes tell
  /// what is left behind: folders that mean nothing to a model, files of other weights, hidden files.
  init(rewriting folder: ModelFolder, format: QuantizationFormat) throws {
    var config = folder.configuration.objectValue ?? JSONObject()
    if config["quantization_config"].map({ !$0.isNull }) ?? false {
      throw ConversionError.inexpressible(
        "quantization_config", container: "another format", file: folder.configurationPath)
    }
    config[config["dtype"] != nil ? "dtype" : "torch_dtype"] = .string(Self.typeName(format))
    files = [("config.json", Self.text(.object(config)))]
    var left: [String] = []
    for name in try Self.names(folder.path) where name != "config.json" && !Self.holdsWeights(name) {
      let inner =
        name == Self.templateFolder
        ? try Self.names(folder.path + "/" + name).map { name + "/" + $0 } : [name]
      for name in inner {
        let path = folder.path + "/" + name
        // A folder, a pipe, or more than anything that describes a model.
        guard !name.hasPrefix("."), let file = try? MappedFile(path: path), file.bytes.count <= Self.sizeLimit
        else {
          left.append(name)
          continue
        }
        files.append((name, withExtendedLifetime(file) { Array(file.bytes) }))
      }
    }
    tensors = try folder.weights.names.map { name in
      let view = try folder.weights.tensor(named: name)
      return ExportTensor(name, shape: view.shape, role: .vector, source: .tensors([view]))
    }
    notes = left.isEmpty ? [] : ["not copied: " + left.joined(separator: ", ")]
    isRewritten = true
  }

  private static let templateFolder = "additional_chat_templates"
  /// Bytes of the largest file that is copied.
  private static let sizeLimit = 256 << 20

  private static func names(_ path: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw ModelFileError.cannotOpen(path: path, reason: error.localizedDescription)
    }
  }

  /// Whether a file of a model's folder is weights, or an index of them.
  private static func holdsWeights(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.index.json")
  }

  /// Whether what has this name in a folder says something of the weights or the texts of the model in it.
  static func isPartOfModel(_ name: String) -> Bool {
    let names = [
      "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
      "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
      "chat_template.json", templateFolder,
    ]
    return holdsWeights(name) || names.contains(name)
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
