internal import BlockwiseFiles
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
    var earned = 0.0
    var text: [TokenID] = []
  }

  private let state = Protected(State())
  /// Sources that are remembered; a conversation hardly has more.
  private static let limit = 64
  /// Most passes that the next answer may lose of what was saved before it.
  private static let earnedLimit = 8.0

  private let costMemory: PassCostMemory

  /// Nothing learned yet.
  /// - Parameter costs: what is known of the model's passes, which conversations share.
  public init(costs: PassCostMemory = PassCostMemory()) { costMemory = costs }

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

  var costs: PassCosts? { costMemory.state.withLock { $0.costs } }

  /// What some sources have taken so far.
  func guessingCosts(_ names: String) -> GuessingCosts? { costMemory.state.withLock { $0.guessing[names] } }

  /// What the conversation has saved and not risked yet, in passes of one row; negative where it has lost. Nothing where the
  /// new text is another conversation: where it does not go on from at least half of the last one.
  func earned(before prompt: [TokenID]) -> Double {
    state.withLock { state in
      let common = zip(state.text, prompt).prefix { $0 == $1 }.count
      return !state.text.isEmpty && 2 * common >= state.text.count ? state.earned : 0
    }
  }

  func keep(earned: Double, text: [TokenID]) {
    state.withLock { ($0.earned, $0.text) = (min(Self.earnedLimit, earned), text) }
  }

  func keep(_ name: String, _ known: Known) {
    state.withLock { state in
      if state.sources.count >= Self.limit, state.sources[name] == nil { state.sources = [:] }
      state.sources[name] = known
    }
  }

  func keep(_ costs: PassCosts) { costMemory.state.withLock { $0.costs = costs } }

  func keep(_ costs: GuessingCosts, of names: String) {
    costMemory.state.withLock { state in
      if state.guessing.count >= Self.limit, state.guessing[names] == nil { state.guessing = [:] }
      state.guessing[names] = costs
    }
  }
}

/// What the passes of a model have cost lately, and guessing beside them; all conversations with it learn from each other's.
public final class PassCostMemory: Sendable {
  struct State {
    var costs: PassCosts?
    /// By the names of the sources.
    var guessing: [String: GuessingCosts] = [:]
  }

  let state = Protected(State())

  /// Nothing learned yet.
  public init() {}
}

/// What sources take that cost no passes, in seconds.
struct GuessingCosts: Sendable, Hashable {
  /// Learning and proposing in a round.
  var round = 0.0
  /// Taking in a token of the prompt.
  var promptToken = 0.5e-6

  /// Takes in a round. What is far beyond the others was disturbed.
  mutating func record(round seconds: Double) { round += 0.1 * (min(seconds, 4 * round + 1e-4) - round) }

  /// Takes in the reading of so many tokens.
  mutating func record(promptTokens count: Int, seconds: Double) {
    guard count > 0 else { return }
    promptToken += 0.5 * (min(seconds / Double(count), 4 * promptToken) - promptToken)
  }

  /// Takes in that a round could not be paid: one that was disturbed is not to be the end of guessing.
  mutating func relent() { round *= 0.97 }
}
