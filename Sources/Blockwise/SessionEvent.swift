/// What a session reports while it generates.
public enum SessionEvent: Sendable {
  /// The prompt is being read: tokens done and tokens in all (those the cache held count as done).
  case prefill(done: Int, total: Int)
  /// Text that is final and the tokens committed since the last event. The text may be shorter than the tokens:
  /// incomplete characters and what could become a stop string are held back.
  case text(String, tokens: [SampledToken])
  /// The answer as it stands, where the options ask for it: undecided slots hold the model's mask token, and later events
  /// replace this one.
  case preview([TokenID])
  /// The end; nothing follows.
  case finished(Generation)
}

/// A finished generation.
public struct Generation: Sendable {
  /// All text of the events.
  public var text: String
  /// All committed tokens; a stop token is not among them.
  public var tokens: [SampledToken]
  /// Why it ended.
  public var finishReason: FinishReason
  /// The method that decided the tokens, and why it was chosen.
  public var decision: MethodDecision
  /// What it cost.
  public var statistics: GenerationStatistics
}

/// Which method a generation used.
public struct MethodDecision: Sendable, Hashable {
  /// The method's name as the command line spells it.
  public var method: String
  /// The method's parameters in text form; empty where it has none.
  public var recipe: String
  /// Whether the method can change the distribution of the output.
  public var isLossy: Bool
  /// Why this method.
  public var reason: String
  /// What was left out and why: a draft model beside the model that does not fit it. Nil where nothing was.
  public var note: String?
}
