/// Why an operation on a cache was refused. The cache is unchanged.
public enum CacheError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A pass over this cache, or another operation on it, is under way.
  case busy
  /// More slots are needed than the context has.
  case contextFull(needed: Int, contextLength: Int)
  /// The system has no memory for another page.
  case outOfMemory(byteCount: Int)
  /// Scratch rows can only be committed while no canvas is open.
  case canvasOpen(slotCount: Int)
  /// Rows that the last pass did not leave, or that do not increase.
  case rows([Int], scratchCount: Int)
  /// A length beyond what is committed, or a canvas count beyond the canvas.
  case length(Int, available: Int)

  /// What was refused and why.
  public var description: String {
    switch self {
    case .busy: "the cache is in use by a pass that has not finished"
    case .contextFull(let needed, let length):
      "\(needed) cache slots are needed and the context has \(length)"
    case .outOfMemory(let bytes): "no memory for \(bytes) more bytes of cache"
    case .canvasOpen(let count): "a canvas of \(count) slots is open; commit or roll it back first"
    case .rows(let rows, let count):
      "rows \(rows) are not increasing indices into the \(count) scratch rows of the last pass"
    case .length(let length, let available): "length \(length) is outside 0…\(available)"
    }
  }
}
