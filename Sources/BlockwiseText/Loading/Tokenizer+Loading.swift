public import BlockwiseFiles

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

extension Tokenizer {
  /// Loads the tokenizer of a model folder: `tokenizer.json`, and `tokenizer_config.json` if it is there.
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file and what is wrong with it.
  public static func load(folder path: String) throws -> Tokenizer {
    let configurationPath = path + "/tokenizer_config.json"
    var configuration: JSONValue?
    if access(configurationPath, F_OK) == 0 {
      configuration = try naming(configurationPath) { try parse(try open(configurationPath)) }
    }
    return try load(path: path + "/tokenizer.json", configuration: configuration)
  }

  /// Loads the tokenizer of a model folder that is open already.
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file and what is wrong with it.
  public static func load(folder: ModelFolder) throws -> Tokenizer {
    try load(
      path: folder.tokenizerPath ?? folder.path + "/tokenizer.json",
      configuration: folder.tokenizerConfiguration)
  }

  private static func load(path: String, configuration: JSONValue?) throws -> Tokenizer {
    try naming(path) {
      let file = try open(path)
      return try load(tokenizerJSON: file.bytes, configuration: configuration)
    }
  }

  /// Loads a tokenizer from the bytes of a `tokenizer.json`.
  ///
  /// - Parameter configuration: the content of `tokenizer_config.json`: which tokens have a role, and whether a
  ///   text gets a beginning and an end.
  /// - Throws: ``TokenizerError``.
  public static func load(
    tokenizerJSON bytes: UnsafeRawBufferPointer, configuration: JSONValue? = nil
  ) throws -> Tokenizer {
    var loader = TokenizerJSONLoader(bytes.bindMemory(to: UInt8.self))
    return try Tokenizer(try loader.load(configuration: configuration))
  }

  /// Loads a tokenizer from the bytes of a `tokenizer.json`.
  ///
  /// - Throws: ``TokenizerError``.
  public static func load(
    tokenizerJSON bytes: [UInt8], configuration: JSONValue? = nil
  ) throws -> Tokenizer {
    try bytes.withUnsafeBytes { try load(tokenizerJSON: $0, configuration: configuration) }
  }

  /// Loads the tokenizer of a GGUF file: byte-level (`tokenizer.ggml.model` "gpt2") or SentencePiece byte-pair
  /// encoding ("llama").
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file, the key, what was found and what was expected.
  public static func load(gguf file: GGUFFile) throws -> Tokenizer {
    try naming(file.path) { try Tokenizer(try GGUFTokenizerLoader(file).load()) }
  }

  private static func open(_ path: String) throws -> MappedFile {
    do {
      return try MappedFile(path: path)
    } catch ModelFileError.cannotOpen(_, let reason) {
      throw TokenizerError.unreadable(reason: "cannot be opened: \(reason)")  // the path is added around it
    } catch {
      throw TokenizerError.unreadable(reason: "\(error)")
    }
  }

  private static func parse(_ file: MappedFile) throws -> JSONValue {
    do {
      return try JSONValue(parsing: file.bytes)
    } catch {
      throw TokenizerError.json(error)
    }
  }

  private static func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as TokenizerError {
      throw TokenizerError.inFile(path, error)
    }
  }
}
