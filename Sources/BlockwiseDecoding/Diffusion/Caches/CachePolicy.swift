/// Slot *cache*: which rows a pass computes; of all others the keys and values of an earlier pass are used.
public protocol CachePolicy: RecipePolicy {
  /// What a pass computes.
  /// - Parameter pass: passes over the open block before it; 0 opens the block.
  func scope(pass: Int) -> PassScope
  /// Whether keys and values can be older than what their rows see.
  var isApproximate: Bool { get }
}

/// The rows of a pass.
public enum PassScope: Sendable, Hashable {
  /// Prompt and answer.
  case everything
  /// The open block and all that follows.
  case fromBlock
  /// The open block.
  case block
  /// The open part of the block, once its first token is known.
  case subBlock
}

/// The cache policies there are.
enum CachePolicies {
  static let all: [any RecipePolicy.Type] = [
    NoCache.self, PrefixCache.self, DualCache.self, ExactBlockCache.self, AheadBlockCache.self,
    SubBlockCache.self,
  ]
  static let missing: [String: String] = [
    "dkv": "dKV-Cache is not built", "dkv-cache": "dKV-Cache is not built",
    "dllm": "dLLM-Cache is not built", "d2": "d2Cache is not built", "d2cache": "d2Cache is not built",
    "sparse": "Sparse-dLLM is not built", "sparse-dllm": "Sparse-dLLM is not built",
    "vicinity": "the vicinity refresh of dInfer is not built",
  ]
}
