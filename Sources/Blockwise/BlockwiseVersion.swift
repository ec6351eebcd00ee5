/// The version of the engine.
public enum BlockwiseVersion {
  /// As `blockwise --version` prints it.
  public static let current = "0.1.0-dev"
}
