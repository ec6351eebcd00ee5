/// What is wrong with a file of a model: which file, what was found, what would be right.
public enum ModelFileError: Error, Sendable, Hashable {
  /// The file cannot be opened, or is no regular file.
  case cannotOpen(path: String, reason: String)
  /// The file cannot be written; nothing is left at its path.
  case cannotWrite(path: String, reason: String)
  /// The file ends too early; `needed` and `found` count bytes from its start.
  case truncated(file: String, what: String, needed: Int, found: Int)
  /// The file does not start with the bytes of its format.
  case badMagic(file: String, found: String, expected: String)
  /// The format's version or byte order is not one that is read here.
  case unsupportedVersion(file: String, found: String, supported: String)
  /// The header claims more bytes than any honest file has.
  case headerTooLarge(file: String, found: UInt64, limit: Int)
  /// The header breaks the rules of its format.
  case badHeader(file: String, what: String)
  /// The file should be JSON and is not.
  case json(file: String, error: JSONError)
  /// A key is missing or has a value that cannot be used.
  case key(name: String, found: String, expected: String, file: String)
  /// A key occurs twice.
  case duplicateKey(name: String, file: String)
  /// A tensor's name occurs twice.
  case duplicateTensor(name: String, file: String)
  /// There is no tensor of that name.
  case tensorMissing(name: String, file: String)
  /// A tensor's shape (outermost dimension first) is not the one needed.
  case tensorShape(name: String, expected: [Int], found: [Int], file: String)
  /// A tensor's type is unknown, or not one of those needed.
  case tensorType(name: String, found: String, supported: [String], file: String)
  /// A tensor's bytes lie outside the file, across another tensor, or off the grid; or their number is wrong.
  case tensorRange(name: String, problem: String, file: String)
  /// A file that another file names is not there.
  case shardMissing(file: String, neededBy: String)
  /// The path leads to no model.
  case notAModel(path: String, reason: String)
  /// The path leads to a model in a format that is not read here.
  case unsupported(path: String, reason: String)
}

extension ModelFileError: CustomStringConvertible {
  /// One sentence that starts with the file.
  public var description: String {
    switch self {
    case .cannotOpen(let path, let reason): "\(path): cannot be opened: \(reason)"
    case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason)"
    case .truncated(let file, let what, let needed, let found):
      "\(file): \(what) ends at byte \(needed), but the file has only \(found) bytes; is the download complete?"
    case .badMagic(let file, let found, let expected):
      "\(file): starts with \(found), expected \(expected)"
    case .unsupportedVersion(let file, let found, let supported):
      "\(file): is \(found); supported: \(supported)"
    case .headerTooLarge(let file, let found, let limit):
      "\(file): claims a header of \(found) bytes; at most \(limit) are accepted"
    case .badHeader(let file, let what): "\(file): damaged header: \(what)"
    case .json(let file, let error): "\(file): \(error)"
    case .key(let name, let found, let expected, let file):
      "\(file): key \(name): expected \(expected), found \(found)"
    case .duplicateKey(let name, let file): "\(file): key \(name) occurs twice"
    case .duplicateTensor(let name, let file): "\(file): tensor \(name) occurs twice"
    case .tensorMissing(let name, let file): "\(file): there is no tensor \(name)"
    case .tensorShape(let name, let expected, let found, let file):
      "\(file): tensor \(name): expected shape \(expected), found \(found)"
    case .tensorType(let name, let found, let supported, let file):
      "\(file): tensor \(name): type \(found) is not supported; supported: "
        + supported.joined(separator: ", ")
    case .tensorRange(let name, let problem, let file): "\(file): tensor \(name): \(problem)"
    case .shardMissing(let file, let neededBy): "\(file): is missing, but \(neededBy) names it"
    case .notAModel(let path, let reason): "\(path): is no model: \(reason)"
    case .unsupported(let path, let reason): "\(path): is not supported: \(reason)"
    }
  }

  /// Runs `body`, which reads values of a JSON file, and adds the file's name to what it throws.
  ///
  /// - Throws: ``ModelFileError/json(file:error:)`` and ``ModelFileError/key(name:found:expected:file:)``.
  package static func naming<T>(_ file: String, _ body: () throws -> T) throws(ModelFileError) -> T {
    do {
      return try body()
    } catch let error as ModelFileError {
      throw error
    } catch let error as JSONError {
      throw .json(file: file, error: error)
    } catch let error as JSONKeyError {
      throw .key(name: error.keyPath, found: error.found, expected: error.expected, file: file)
    } catch {
      throw .badHeader(file: file, what: "\(error)")
    }
  }
}
