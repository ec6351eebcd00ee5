public import BlockwiseFiles
internal import Foundation

extension Tokenizer {
  /// Loads the tokenizer of a model folder: `tokenizer.json`, and `tokenizer_config.json` if it is there.
  ///
  /// - Throws: ``TokenizerError`` naming the file and what is wrong with it.
  public static func load(folder path: String) throws -> Tokenizer {
    let folder = URL(fileURLWithPath: path, isDirectory: true)
    let tokenizer = try read(folder.appendingPathComponent("tokenizer.json").path)
    let configurationPath = folder.appendingPathComponent("tokenizer_config.json").path
    var configuration: JSONValue?
    if FileManager.default.fileExists(atPath: configurationPath) {
      let bytes = try read(configurationPath)
      do {
        configuration = try JSONValue(parsing: bytes)
      } catch {
        throw TokenizerError.unreadable(file: configurationPath, reason: "\(error)")
      }
    }
    return try load(tokenizerJSON: tokenizer, configuration: configuration)
  }

  /// Loads a tokenizer from the bytes of a `tokenizer.json`.
  ///
  /// - Parameter configuration: the content of `tokenizer_config.json`: which tokens have a role, and whether a
  ///   text gets a beginning and an end.
  public static func load(
    tokenizerJSON bytes: UnsafeRawBufferPointer, configuration: JSONValue? = nil
  ) throws -> Tokenizer {
    var loader = TokenizerJSONLoader(bytes.bindMemory(to: UInt8.self))
    return try Tokenizer(try loader.load(configuration: configuration))
  }

  /// Loads a tokenizer from the bytes of a `tokenizer.json`.
  public static func load(
    tokenizerJSON bytes: [UInt8], configuration: JSONValue? = nil
  ) throws -> Tokenizer {
    try bytes.withUnsafeBytes { try load(tokenizerJSON: $0, configuration: configuration) }
  }

  private static func read(_ path: String) throws -> [UInt8] {
    do {
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe))
    } catch {
      throw TokenizerError.unreadable(file: path, reason: "cannot be read")
    }
  }
}
