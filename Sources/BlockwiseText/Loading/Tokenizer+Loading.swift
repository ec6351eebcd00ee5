public import BlockwiseFiles

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

extension Tokenizer {
  /// Loads the tokenizer of a model folder: `tokenizer.json`, or else the SentencePiece model `tokenizer.model`,
  /// and `tokenizer_config.json` if it is there.
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file and what is wrong with it.
  public static func load(folder path: String) throws -> Tokenizer {
    try load(folder: path, configuration: try json(path + "/tokenizer_config.json"))
  }

  /// Loads the tokenizer of a model folder that is open already.
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file and what is wrong with it.
  public static func load(folder: ModelFolder) throws -> Tokenizer {
    try load(folder: folder.path, configuration: folder.tokenizerConfiguration)
  }

  private static func load(folder: String, configuration: JSONValue?) throws -> Tokenizer {
    let modelPath = folder + "/tokenizer.model"
    let path = folder + "/tokenizer.json"
    if access(path, F_OK) != 0, access(modelPath, F_OK) == 0 {
      let specialTokensMap = try json(folder + "/special_tokens_map.json")
      let addedTokens = try json(folder + "/added_tokens.json")
      return try naming(modelPath) {
        try withBytes(modelPath) {
          try load(
            sentencePiece: $0, configuration: configuration, specialTokensMap: specialTokensMap,
            addedTokens: addedTokens)
        }
      }
    }
    return try naming(path) {
      try withBytes(path) { try load(tokenizerJSON: $0, configuration: configuration) }
    }
  }

  /// Loads a tokenizer from the bytes of a SentencePiece model (`tokenizer.model`): byte-pair encoding or unigram.
  ///
  /// - Parameters:
  ///   - configuration: the content of `tokenizer_config.json`: which tokens have a role, and whether a text gets a
  ///     beginning and an end.
  ///   - specialTokensMap: the content of `special_tokens_map.json`: roles that the configuration does not give.
  ///   - addedTokens: the content of `added_tokens.json`: texts of tokens behind the model's own, with indices.
  /// - Throws: ``TokenizerError``.
  public static func load(
    sentencePiece bytes: UnsafeRawBufferPointer, configuration: JSONValue? = nil,
    specialTokensMap: JSONValue? = nil, addedTokens: JSONValue? = nil
  ) throws -> Tokenizer {
    let loader = SentencePieceLoader(
      configuration: configuration, specialTokensMap: specialTokensMap, addedTokens: addedTokens)
    return try Tokenizer(try loader.load(bytes.bindMemory(to: UInt8.self)))
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

  /// Loads the tokenizer of a GGUF file: byte-level (`tokenizer.ggml.model` "gpt2"), SentencePiece byte-pair
  /// encoding ("llama") or unigram ("t5").
  ///
  /// - Throws: ``TokenizerError/inFile(_:_:)`` naming the file, the key, what was found and what was expected.
  public static func load(gguf file: GGUFFile) throws -> Tokenizer {
    try naming(file.path) { try Tokenizer(try GGUFTokenizerLoader(file).load()) }
  }

  /// Hands over the bytes of a file, which are there only as long as `body` runs.
  private static func withBytes<T>(
    _ path: String, _ body: (UnsafeRawBufferPointer) throws -> T
  ) throws -> T {
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch ModelFileError.cannotOpen(_, let reason) {
      throw TokenizerError.unreadable(reason: "cannot be opened: \(reason)")  // the path is added around it
    } catch {
      throw TokenizerError.unreadable(reason: "\(error)")
    }
    return try withExtendedLifetime(file) { try body(file.bytes) }
  }

  /// The JSON value in a file, or nil if there is no such file.
  private static func json(_ path: String) throws -> JSONValue? {
    guard access(path, F_OK) == 0 else { return nil }
    return try naming(path) {
      try withBytes(path) { bytes in
        do {
          return try JSONValue(parsing: bytes)
        } catch let error as JSONError {
          throw TokenizerError.json(error)
        }
      }
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
