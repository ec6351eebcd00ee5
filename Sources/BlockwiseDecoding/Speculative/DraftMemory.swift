internal import BlockwiseKernels

/// What guessing has learned in one conversation, from generation to generation: how often sources were right, what passes cost,
/// and sources whose own caches hold the text.
///
/// One generation at a time uses it; it changes how fast a text appears, never which.
public final class DraftMemory: Sendable {
  /// What is known of one source.
  struct Known: Sendable {
    var source: (any DraftSource)?
    var estimate: AcceptanceEstimate
    var plan: DepthPlan
  }

  private struct State {
    var sources: [String: Known] = [:]
    var costs: PassCosts?
    var earned = 0.0
    var textCount = 0
  }

  private let state = Protected(State())
  /// Sources that are remembered; a conversation hardly has more.
  private static let limit = 64
  /// Most passes that the next answer may lose of what was saved before it.
  private static let earnedLimit = 8.0

  /// Nothing learned yet.
  public init() {}

  /// What is known of a source, which is handed out: a generation that fails or is stopped early does not bring it back.
  func take(_ name: String) -> Known? {
    state.withLock { state in
      defer { state.sources[name]?.source = nil }
      return state.sources[name]
    }
  }

  /// Lets go of sources that the last generation did not use: their caches are as large as a model's.
  func keepSources(of names: Set<String>) {
    state.withLock { state in
      for name in state.sources.keys where !names.contains(name) { state.sources[name]?.source = nil }
    }
  }

  var costs: PassCosts? { state.withLock { $0.costs } }

  /// What the conversation has saved and not risked yet, in passes of one row; negative where it has lost. Nothing where the
  /// new text is another conversation: where it does not go on from at least half of the last one.
  /// - Parameter commonCount: tokens at the new prompt's front that the last text begins with.
  func earned(commonCount: Int) -> Double {
    state.withLock { $0.textCount > 0 && 2 * commonCount >= $0.textCount ? $0.earned : 0 }
  }

  func keep(earned: Double, textCount: Int) {
    state.withLock { ($0.earned, $0.textCount) = (min(Self.earnedLimit, earned), textCount) }
  }

  func keep(_ name: String, _ known: Known) {
    state.withLock { state in
      if state.sources.count >= Self.limit, state.sources[name] == nil { state.sources = [:] }
      state.sources[name] = known
    }
  }

  func keep(_ costs: PassCosts) { state.withLock { $0.costs = costs } }
}
