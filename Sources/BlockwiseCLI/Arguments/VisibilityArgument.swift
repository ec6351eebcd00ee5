import ArgumentParser
import Blockwise

/// `--visibility` in its text form.
enum VisibilityArgument {
  /// Reads `causal`, `bidirectional`, `block-causal:B`, `context-causal:S` or `tree:P0,P1,…`.
  static func parse(_ text: String) throws -> Visibility {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let value = parts.count == 2 ? String(parts[1]) : nil
    switch (String(parts[0]), value) {
    case ("causal", nil): return .causal
    case ("bidirectional", nil): return .bidirectional
    case ("block-causal", let value?):
      guard let size = Int(value), size > 0 else {
        throw ValidationError("'\(value)' is not a block size of at least 1")
      }
      return .blockCausal(size: size)
    case ("context-causal", let value?):
      guard let start = Int(value), start >= 0 else {
        throw ValidationError("'\(value)' is not a position of at least 0")
      }
      return .contextCausal(start: start)
    case ("tree", let value?):
      let parents = try value.split(separator: ",", omittingEmptySubsequences: false).enumerated().map {
        node, word in
        guard let parent = Int(word), parent >= -1, parent < node else {
          throw ValidationError("parent '\(word)' of node \(node) is not −1 or the index of an earlier node")
        }
        return parent
      }
      return .ancestors(parents: parents)
    default:
      throw ValidationError(
        "expected causal, bidirectional, block-causal:B, context-causal:S or tree:P0,P1,…")
    }
  }
}
