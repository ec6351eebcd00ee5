/// Why a model cannot be converted, beyond what is wrong with its files.
public enum ConversionError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The output would replace the model that is read.
  case outputIsInput(String)
  /// There is something at the output already.
  case outputExists(String)
  /// The other container has no place for something that the model has.
  case inexpressible(String, container: String, file: String)
  /// A weight is NaN or infinite.
  case nonFinite(tensor: String, file: String)
  /// A weight is too large for the format.
  case tooLarge(tensor: String, value: Float, format: String, file: String)
  /// A tensor is stored in a way that cannot be read as numbers.
  case unreadable(tensor: String, type: String, file: String)
  /// An importance matrix that does not belong to the model, or is damaged.
  case importance(file: String, reason: String)
  /// An override that decides about no tensor.
  case unusedOverride(String, reason: String)
  /// A format that the output cannot have.
  case format(String, reason: String)
  /// The work was stopped.
  case cancelled

  /// What was wrong, where, and what would help.
  public var description: String {
    switch self {
    case .outputIsInput(let path): "\(path): the output is the model itself; give another path"
    case .outputExists(let path): "\(path): there is something already; give --force to replace it"
    case .inexpressible(let what, let container, let file):
      "\(file): \(what) cannot be expressed in \(container)"
    case .nonFinite(let tensor, let file): "\(file): tensor \(tensor) holds a NaN or infinite value"
    case .tooLarge(let tensor, let value, let format, let file):
      "\(file): tensor \(tensor) holds \(value), too large for \(format); use bf16 or f32"
    case .unreadable(let tensor, let type, let file):
      "\(file): tensor \(tensor) is stored as \(type), which cannot be converted"
    case .importance(let file, let reason): "\(file): no usable importance matrix: \(reason)"
    case .unusedOverride(let pattern, let reason): "--tensor-type \(pattern): \(reason)"
    case .format(let name, let reason): "format \(name): \(reason)"
    case .cancelled: "stopped"
    }
  }
}
