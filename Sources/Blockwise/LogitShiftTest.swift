internal import Foundation

/// Finds out whether the rows of a diffusion model speak of the positions that its file says.
///
/// A wrong shift gives fluent nonsense without any error. So pairs of neighbouring words of a simple story are hidden, and the row of
/// the first of each pair, which sees neither, is asked for both: a trained model finds the one that the row was trained to speak of
/// far more likely. Models that know nothing (random weights) prefer neither and pass.
package struct LogitShiftTest {
  /// How much more likely the row's own token is than the one behind it, in nats.
  package struct Outcome: Sendable, Hashable {
    /// The mean over all pairs.
    package var mean: Float
    /// The mean in units of its standard error.
    package var significance: Float

    package init(mean: Float, significance: Float) {
      self.mean = mean
      self.significance = significance
    }

    /// The alignment that fits although the other one is said to, if there is little doubt.
    package func contradiction(to said: ModelTraits.LogitAlignment) -> ModelTraits.LogitAlignment? {
      let sign: Float = said == .same ? -1 : 1
      guard sign * mean > 1.5, sign * significance > 2.5 else { return nil }
      return said == .same ? .previous : .same
    }
  }

  private static let story =
    " Tom had a dog. The dog was big and brown. Tom and the dog went to the park. They saw a red ball. The dog was "
    + "happy. Tom said, \"Look, a ball!\" They played with the ball. Then Tom and the dog went home. Tom was happy."

  /// Asks the model; nil where there is nothing to ask: it fills no masks, or its context is too short.
  package static func run(_ network: any BlockModel, _ tokenizer: Tokenizer) async throws -> Outcome? {
    let traits = network.traits
    guard let mask = traits.maskToken, traits.contextMask != .causal else { return nil }
    // Models of smaller blocks were hardly ever asked for two hidden neighbours.
    if let size = traits.blockSize, size < 4 { return nil }
    let text = tokenizer.encode(story, addSpecialTokens: false)
    let start = text.count * 2 / 5
    let pairs = Array(stride(from: start + 1, to: text.count - 1, by: 3))
    guard pairs.count >= 8, text.count <= traits.contextLength else { return nil }
    var tokens = text
    for position in pairs { (tokens[position], tokens[position + 1]) = (mask, mask) }
    let visibility: Visibility =
      switch traits.contextMask {
      case .causal, .bidirectional: .bidirectional
      case .blockCausal(let size): .blockCausal(size: size)
      case .contextCausal: .contextCausal(start: start)
      }
    let plan = BlockPlan(
      tokens: tokens, at: 0, write: .scratch, visibility: visibility,
      outputs: OutputRequest(rows: .some(pairs)))
    let result = BlockResultBuffer()
    try await network.forward([SequencePass(plan: plan, cache: try network.makeCache())], into: result)
    let differences = pairs.indices.map { index in
      result.withLogits(output: index) { $0[text[pairs[index]].index] - $0[text[pairs[index] + 1].index] }
    }
    let count = Float(pairs.count)
    let mean = differences.reduce(0, +) / count
    let variance = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    return Outcome(mean: mean, significance: mean / max((variance / count).squareRoot(), 1e-6))
  }

  /// Refuses a model whose rows speak of other positions than its file says.
  /// - Throws: ``LogitShiftError``, and what the pass throws.
  static func check(_ network: any BlockModel, _ tokenizer: Tokenizer, file: String) async throws {
    let said = network.traits.logitAlignment
    guard let found = try await run(network, tokenizer)?.contradiction(to: said) else { return }
    throw LogitShiftError(said: said, found: found, file: file)
  }
}
