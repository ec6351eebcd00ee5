/// Why a session cannot generate.
public enum SessionError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A generation of the same session is running.
  case busy

  /// What was refused and what to do.
  public var description: String {
    switch self {
    case .busy: "the session is still generating; end that generation first or use a session of its own"
    }
  }
}
