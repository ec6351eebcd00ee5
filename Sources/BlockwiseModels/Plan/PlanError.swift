/// Why a plan cannot be evaluated. The cache is unchanged when one of these is thrown.
public enum PlanError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The parallel arrays of the plan have different lengths.
  case lengths(tokens: Int, positions: Int, writes: Int)
  /// A pass over no rows at all.
  case empty
  /// A token outside the model's vocabulary.
  case token(row: Int, token: Int, vocabularyCount: Int)
  /// A position below 0 or beyond the cache's context.
  case position(row: Int, position: Int, contextLength: Int)
  /// A ``RowWrite/replace(slot:)`` of a slot that is not there, or of the same slot twice.
  case slot(row: Int, slot: Int, slotCount: Int)
  /// An append in a plan whose cache has an open canvas, or behind a row that grew one.
  case appendBehindCanvas(row: Int)
  /// A visibility that does not fit the rows (parents out of order, matrix of another size, block size below 1).
  case visibility(String)
  /// A key selection without one entry per layer, or whose positions do not increase.
  case keys(String)
  /// Requested rows that do not exist or do not increase, or a tap of a layer that is not there.
  case outputs(String)
  /// Embedding vectors of the wrong number or length, or for rows that do not exist.
  case embeddings(String)
  /// The rows do not fit the cache's context.
  case contextFull(needed: Int, contextLength: Int)
  /// The same cache twice in one batch, or a cache of another model.
  case cache(String)

  /// What was wrong and what would be right.
  public var description: String {
    switch self {
    case .lengths(let tokens, let positions, let writes):
      "a plan with \(tokens) tokens needs as many positions and writes, found \(positions) and \(writes)"
    case .empty: "a pass needs at least one row"
    case .token(let row, let token, let count):
      "token \(token) of row \(row) is outside the vocabulary of \(count)"
    case .position(let row, let position, let length):
      "position \(position) of row \(row) is outside the context of \(length)"
    case .slot(let row, let slot, let count):
      "row \(row) replaces slot \(slot), but the slots open to it are 0…\(count), each once"
    case .appendBehindCanvas(let row):
      "row \(row) appends to the committed sequence while a canvas is open; commit or roll back the canvas first"
    case .visibility(let what): "visibility: \(what)"
    case .keys(let what): "key selection: \(what)"
    case .outputs(let what): "outputs: \(what)"
    case .embeddings(let what): "embedding rows: \(what)"
    case .contextFull(let needed, let length):
      "the pass needs \(needed) cache slots and the context has \(length)"
    case .cache(let what): "cache: \(what)"
    }
  }
}
