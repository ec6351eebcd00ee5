internal import Foundation

/// An opened checkpoint: a Hugging Face folder or a GGUF file.
public enum ModelSource: Sendable {
  /// A folder with config.json and safetensors.
  case folder(ModelFolder)
  /// A GGUF file.
  case gguf(GGUFFile)

  /// Opens what is at `path`: a folder, a GGUF file, or a folder whose only model is one GGUF file.
  ///
  /// - Throws: ``ModelFileError`` that says what is missing or wrong.
  public init(path: String) throws(ModelFileError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    switch FileKind(path) {
    case nil: throw .notAModel(path: path, reason: "there is no such file or folder")
    case .other: throw .notAModel(path: path, reason: "it is neither a folder nor a regular file")
    case .file: try self.init(file: path)
    case .folder: try self.init(folder: path)
    }
  }

  private init(file path: String) throws(ModelFileError) {
    let mapping = try MappedFile(path: path)
    guard mapping.bytes.prefix(4).elementsEqual("GGUF".utf8) else {
      if path.hasSuffix(".safetensors") || path.hasSuffix(".json") {
        throw .notAModel(path: path, reason: "it is one file of a model folder; give the folder")
      }
      if path.hasSuffix(".gguf") {
        // Opening it says precisely what its first bytes are.
        _ = try GGUFFile(path: path)
      }
      throw .notAModel(path: path, reason: "it is neither a GGUF file nor a folder with config.json")
    }
    self = .gguf(try GGUFFile(path: path))
  }

  private init(folder path: String) throws(ModelFileError) {
    if FileKind.exists(path + "/config.json") {
      self = .folder(try ModelFolder(path: path))
      return
    }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw .cannotOpen(path: path, reason: error.localizedDescription)
    }
    var ggufs = names.filter { $0.hasSuffix(".gguf") }.sorted()
    // The files of a split model are one model, also when some of them are missing.
    if let siblings = ggufs.first.flatMap(GGUFSplit.siblings(of:)), ggufs.allSatisfy(siblings.contains) {
      ggufs = [ggufs[0]]
    }
    switch ggufs.count {
    case 1: self = .gguf(try GGUFFile(path: path + "/" + ggufs[0]))
    case 0:
      throw .notAModel(path: path, reason: "there is neither config.json nor a GGUF file in it")
    default:
      throw .notAModel(
        path: path, reason: "there are several GGUF files in it, give one: " + ggufs.joined(separator: ", "))
    }
  }

  /// The folder or file.
  public var path: String {
    switch self {
    case .folder(let folder): folder.path
    case .gguf(let file): file.path
    }
  }

  /// What the checkpoint says about generating text.
  public var generationConfiguration: GenerationConfiguration {
    switch self {
    case .folder(let folder): folder.generationConfiguration
    case .gguf(let file): file.generationConfiguration
    }
  }

  /// The tensors.
  public var weights: any WeightStore {
    switch self {
    case .folder(let folder): folder.weights
    case .gguf(let file): file
    }
  }
}
