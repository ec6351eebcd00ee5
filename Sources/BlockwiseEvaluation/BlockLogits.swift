public import Blockwise

/// The logits of one block of rows: what parity with a reference implementation is judged by.
public struct BlockLogits: Sendable {
  /// Rows of the block.
  public let rowCount: Int
  /// Logits of a row.
  public let vocabularyCount: Int
  /// f32 `[rowCount, vocabularyCount]`.
  public let values: [Float]

  /// Evaluates tokens: a committed causal prefix, then one block.
  ///
  /// - Parameters:
  ///   - model: the network.
  ///   - tokens: prefix and block, at positions from 0 on.
  ///   - prefixLength: how many of them are the prefix.
  ///   - visibility: what the rows of the block see; `.ancestors` puts them at the depths of the tree.
  ///   - prefixPassRowCount: rows of one pass over the prefix.
  /// - Throws: ``PlanError`` for tokens and trees that do not fit the model, ``CacheError`` when they do not fit the
  ///   context.
  public static func evaluate(
    _ model: any BlockModel, tokens: [TokenID], prefixLength: Int, visibility: Visibility,
    prefixPassRowCount: Int = 256
  ) async throws -> BlockLogits {
    precondition(
      (0..<tokens.count).contains(prefixLength), "a prefix of \(prefixLength) of \(tokens.count) tokens")
    let cache = try model.makeCache()
    let result = BlockResultBuffer()
    var done = 0
    while done < prefixLength {
      let end = min(done + prefixPassRowCount, prefixLength)
      let plan = BlockPlan(tokens: tokens[done..<end], at: done, outputs: OutputRequest(rows: .none))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      done = end
    }
    let block = Array(tokens[prefixLength...])
    let plan =
      if case .ancestors(let parents) = visibility {
        BlockPlan(tree: block, parents: parents, prefixLength: prefixLength)
      } else {
        BlockPlan(
          tokens: block, at: prefixLength, write: .scratch, visibility: visibility,
          outputs: OutputRequest(rows: .all))
      }
    try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    let vocabularyCount = model.traits.vocabularyCount
    var values: [Float] = []
    values.reserveCapacity(block.count * vocabularyCount)
    for row in block.indices { result.withLogits(output: row) { values.append(contentsOf: $0) } }
    return BlockLogits(rowCount: block.count, vocabularyCount: vocabularyCount, values: values)
  }

  /// Writes one tensor `logits`, f32 `[rowCount, vocabularyCount]`. The file appears whole or not at all.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  public func write(to path: String) throws {
    var writer = SafetensorsWriter()
    try writer.append("logits", shape: [rowCount, vocabularyCount], floats: values)
    try writer.write(to: path)
  }
}
