public import BlockwiseFiles
public import BlockwiseModels

/// What a decoder reports while it works.
public enum GenerationEvent: Sendable {
  /// Tokens that are final, in order.
  case committed([SampledToken])
  /// The open part of a canvas as it stands; later events replace it. Undecided positions hold the mask token.
  case preview([TokenID])
  /// The end; nothing follows.
  case finished(FinishReason, GenerationStatistics)
}

/// Why a generation ended.
public enum FinishReason: String, Sendable, Hashable, Codable {
  /// A stop token, a stop string, or a constraint that allows nothing more.
  case stop
  /// The token limit or the end of the context.
  case length
  /// The caller cancelled.
  case cancelled
}

/// What a generation cost: counts first, rates are computed from them.
public struct GenerationStatistics: Sendable, Hashable {
  /// Tokens of the prompt.
  public var promptTokenCount = 0
  /// Of those, how many the session's cache already held.
  public var cachedTokenCount = 0
  /// Tokens of the prompt that were evaluated: all that were not cached, unless the generation ended before.
  public var prefilledTokenCount = 0
  /// Passes after the prefill.
  public var forwardCount = 0
  /// Rows evaluated in those passes.
  public var rowCount = 0
  /// Tokens committed, the stop token not counted.
  public var committedCount = 0
  /// Of those, how many came out of the last pass over the prompt.
  public var prefillCommittedCount = 0
  /// The end token that ended the answer; nil where something else did.
  public var endToken: TokenID?
  /// The passes after the prefill, in order.
  public var passes: [PassShape] = []
  /// Of the passes, those that only made a finished block part of the context.
  public var closingForwardCount = 0
  /// Of the passes after the prefill, those that other requests' rows shared. Their time is counted by each of them.
  public var sharedForwardCount = 0
  /// Decisions that were taken back or changed.
  public var revisedCount = 0
  /// Time of the passes over the prompt, in seconds.
  public var prefillSeconds = 0.0
  /// Time from the first token to the end, in seconds.
  public var decodeSeconds = 0.0
  /// What the passes over the prompt did in their time.
  public var prefillTiming = PassTiming()
  /// What the passes after the prefill did in theirs.
  public var decodeTiming = PassTiming()
  /// Of ``decodeSeconds``, the time spent on choosing tokens: constraint, penalties, filters, draws.
  public var samplingSeconds = 0.0

  /// What the sources of guesses did, one entry per source; empty without guesses.
  public var drafts: [DraftStatistics] = []
  /// Of the passes after the prefill, those with guesses.
  public var draftedForwardCount = 0
  /// Of ``decodeSeconds``, the time spent on guessing: sources, trees, learning. Passes of draft models are part of it.
  public var draftSeconds = 0.0
  /// What guessing has taken beside the rows of passes, in passes of one row: ``draftSeconds`` by what such a pass takes, or with the
  /// step costs that are given.
  public var guessingCost = 0.0
  /// Of ``prefillSeconds``, what draft models and heads have taken to read the prompt beside the model, in the same unit.
  public var guessingReadCost = 0.0

  /// Nothing counted yet.
  public init() {}

  /// Tokens that the passes after the prefill brought, per pass; 0 before the first.
  public var tokensPerForward: Double {
    forwardCount == 0 ? 0 : Double(committedCount - prefillCommittedCount) / Double(forwardCount)
  }
  /// Committed tokens per second of decoding; 0 when no time has passed.
  public var tokensPerSecond: Double { decodeSeconds > 0 ? Double(committedCount) / decodeSeconds : 0 }

  /// Where the time from the first token to the end went.
  public var decodeSplit: TimeSplit {
    TimeSplit(
      passes: decodeTiming, sampling: samplingSeconds, drafting: draftSeconds, wallSeconds: decodeSeconds)
  }
  /// Where the time of reading the prompt went.
  public var prefillSplit: TimeSplit {
    TimeSplit(passes: prefillTiming, sampling: 0, wallSeconds: prefillSeconds)
  }
}
