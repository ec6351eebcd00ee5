/// Why a checkpoint cannot be run, beyond damage of its files.
public enum ModelError: Error, Sendable, Hashable, CustomStringConvertible {
  /// No family has this architecture.
  case architecture(found: String, file: String, known: [String])
  /// A configuration key is missing.
  case keyMissing(String, file: String)
  /// A configuration key has a value that cannot be used.
  case key(String, found: String, expected: String, file: String)
  /// A feature of the architecture that this version does not compute.
  case unsupported(String, file: String)
  /// A tensor has another shape than the configuration asks for.
  case tensorShape(name: String, expected: [Int], found: [Int], file: String)
  /// A tensor is stored in a format that the kernels cannot read.
  case tensorFormat(name: String, found: String, supported: [String], file: String)
  /// A weight is NaN or infinite.
  case nonFiniteWeight(name: String, row: Int, file: String)
  /// More memory is needed than there is.
  case memory(needed: Int, available: Int, what: String)
  /// A context length that the model cannot serve.
  case contextLength(requested: Int, maximum: Int)

  /// What was wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .architecture(let found, let file, let known):
      "\(file): architecture \(found) is not supported by this version; supported are \(known.joined(separator: ", "))"
    case .keyMissing(let key, let file): "\(file): \(key) is missing"
    case .key(let key, let found, let expected, let file):
      "\(file): \(key) is \(found), expected \(expected)"
    case .unsupported(let what, let file): "\(file): \(what) is not supported"
    case .tensorShape(let name, let expected, let found, let file):
      "\(file): tensor \(name) has shape \(found), expected \(expected)"
    case .tensorFormat(let name, let found, let supported, let file):
      "\(file): tensor \(name) is stored as \(found); supported are \(supported.joined(separator: ", "))"
    case .nonFiniteWeight(let name, let row, let file):
      "\(file): tensor \(name) holds a NaN or infinite value in row \(row)"
    case .memory(let needed, let available, let what):
      "\(what) needs \(needed) bytes and \(available) bytes of memory are available"
    case .contextLength(let requested, let maximum):
      "a context of \(requested) was requested, possible are 1…\(maximum)"
    }
  }
}
