/// What a pass cost in rows: enough to replay a generation's passes on another model.
public struct PassShape: Sendable, Hashable {
  /// Cached keys that the rows could see.
  public var contextCount: Int
  /// Rows.
  public var rowCount: Int
  /// Rows with logits or statistics.
  public var outputCount: Int

  /// The shape of a pass.
  public init(contextCount: Int, rowCount: Int, outputCount: Int) {
    self.contextCount = contextCount
    self.rowCount = rowCount
    self.outputCount = outputCount
  }
}
