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
  }

  private let state = Protected(State())
  /// Sources that are remembered; a conversation hardly has more.
  private static let limit = 64

  /// Nothing learned yet.
  public init() {}

  func known(_ name: String) -> Known? { state.withLock { $0.sources[name] } }

  var costs: PassCosts? { state.withLock { $0.costs } }

  func keep(_ name: String, _ known: Known) {
    state.withLock { state in
      if state.sources.count >= Self.limit, state.sources[name] == nil { state.sources = [:] }
      state.sources[name] = known
    }
  }

  func keep(_ costs: PassCosts) { state.withLock { $0.costs = costs } }
}
