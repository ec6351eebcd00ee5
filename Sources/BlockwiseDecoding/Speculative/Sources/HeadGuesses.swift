internal import BlockwiseFiles
internal import BlockwiseModels
internal import Foundation

/// What heads say of one row.
enum HeadGuesses {
  /// The likeliest tokens of a row of logits with their probabilities, best first; none where the row holds a NaN.
  /// - Parameters:
  ///   - tokens: what the entries stand for; empty for the tokens of the same numbers.
  ///   - allowed: what a constraint permits; the probabilities stay those of the whole row.
  static func best(
    _ count: Int, of logits: ArraySlice<Float>, tokens: [TokenID] = [], allowed: TokenMask?
  ) -> [RankedGuess] {
    logits.withUnsafeBufferPointer { row in
      guard let maximum = LogitArithmetic.maximum(row), maximum > -.infinity else { return [] }
      let sum = Float(log(LogitArithmetic.exponentialSum(row, maximum: maximum)))
      // Where something is forbidden more have to be looked at.
      let found = LogitArithmetic.largest(min(row.count, allowed == nil ? count : 8 * count), of: row)
      var guesses: [RankedGuess] = []
      for entry in found where guesses.count < count {
        let token = tokens.isEmpty ? TokenID(entry.id) : tokens[Int(entry.id)]
        guard allowed?.contains(token) ?? true else { continue }
        guesses.append(
          RankedGuess(
            token: token, probability: min(0.999, LogitArithmetic.probability(entry.value - maximum - sum))))
      }
      return guesses
    }
  }
}
