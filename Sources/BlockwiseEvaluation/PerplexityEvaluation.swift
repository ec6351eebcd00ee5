public import Blockwise
public import BlockwiseFiles
internal import Foundation

/// How well a model predicts texts.
///
/// An autoregressive model predicts every token from those before it in its window. A masked diffusion model has no such
/// likelihood: what is measured is the bound that it is trained on (LLaDA, arXiv 2502.09992, equation 6): of a window of L
/// tokens l are masked, l drawn evenly from 1 … L, and the losses at the masks count L / l; several draws are averaged.
public struct PerplexityEvaluation: Sendable {
  /// How texts are scored.
  public enum Mode: String, Sendable, Hashable {
    /// From left to right.
    case autoregressive
    /// At masks.
    case masked
  }

  /// Tokens of a window.
  public var windowLength: Int
  /// Tokens by which windows move; they are scored once, in the first window that has them. Masked windows do not overlap.
  public var stride: Int
  /// Draws of masks per window.
  public var drawCount: Int
  /// Where the draws of masks begin.
  public var seed: UInt64
  /// Nil takes what the model is made for.
  public var mode: Mode?

  /// An evaluation.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(
    windowLength: Int = 512, stride: Int = 256, drawCount: Int = 16, seed: UInt64 = 0, mode: Mode? = nil
  ) throws(BenchmarkError) {
    try BenchmarkError.check("window", [windowLength], in: 1...1 << 24)
    try BenchmarkError.check("stride", [stride], in: 1...windowLength)
    try BenchmarkError.check("draws", [drawCount], in: 1...1_000_000)
    self.windowLength = windowLength
    self.stride = stride
    self.drawCount = drawCount
    self.seed = seed
    self.mode = mode
  }

  /// What came out.
  public struct Report: Sendable, Hashable {
    /// How the texts were scored.
    public var mode: Mode
    /// Texts.
    public var documentCount = 0
    /// Their tokens, all of which were predicted.
    public var tokenCount = 0
    /// Their UTF-8 bytes.
    public var byteCount = 0
    /// −Σ log p, natural logarithm; for masked models the estimate of its bound.
    public var nats = 0.0
    /// The variance of the estimate; 0 where nothing is drawn.
    var variance = 0.0

    /// Nats per token.
    public var loss: Double { nats / Double(max(1, tokenCount)) }
    /// The standard error of the loss that comes from the draws of masks.
    public var lossError: Double { variance.squareRoot() / Double(max(1, tokenCount)) }
    /// e to the loss.
    public var perplexity: Double { exp(loss) }
    /// Bits per byte of text: comparable between tokenizers.
    public var bitsPerByte: Double { nats / log(2) / Double(max(1, byteCount)) }
  }

  /// Scores texts, each by itself. The first token is predicted from the tokenizer's start token, or its end of text where it
  /// has none.
  /// - Parameter progress: called with the number of texts so far.
  /// - Throws: ``PerplexityError``, what a pass throws, `CancellationError`.
  public func run(
    _ model: LanguageModel, texts: [String], progress: (Int) -> Void = { _ in }
  ) async throws -> Report {
    let mode = try mode(for: model)
    let cache = try model.network.makeCache(contextLength: nil)
    // From left to right the last token of a window is only predicted; a masked window has a start token in front.
    let needed = windowLength + (mode == .masked ? 1 : 0)
    guard needed <= cache.contextLength else {
      throw BenchmarkError.context(needed: needed, available: cache.contextLength)
    }
    guard let start = model.tokenizer.bosToken ?? model.tokenizer.eosToken else {
      throw PerplexityError.noStartToken
    }
    var report = Report(mode: mode)
    var scorer = Scorer(model: model.network, cache: cache)
    var random = SeededGenerator(seed: seed)
    for text in texts {
      let tokens = model.tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
      if let token = ([start] + tokens).first(where: { $0.index >= model.traits.vocabularyCount }) {
        throw PerplexityError.token(token, vocabularyCount: model.traits.vocabularyCount)
      }
      switch mode {
      case .autoregressive: report.nats += try await score([start] + tokens, with: &scorer)
      case .masked: try await estimate([start] + tokens, with: &scorer, random: &random, into: &report)
      }
      report.documentCount += 1
      report.tokenCount += tokens.count
      report.byteCount += text.utf8.count
      try Task.checkCancellation()
      progress(report.documentCount)
    }
    return report
  }

  private func mode(for model: LanguageModel) throws(PerplexityError) -> Mode {
    let traits = model.traits
    switch mode {
    case .autoregressive?:
      guard traits.logitAlignment == .previous else { throw .notAutoregressive(family: traits.family) }
      return .autoregressive
    case .masked?:
      guard traits.contextMask == .bidirectional, traits.maskToken != nil else {
        throw .notMasked(family: traits.family)
      }
      return .masked
    case nil:
      if traits.isAutoregressive { return .autoregressive }
      if traits.contextMask == .bidirectional, traits.maskToken != nil { return .masked }
      throw .needsMode(family: traits.family)
    }
  }

  /// −Σ log p of all tokens but the first, from left to right.
  private func score(_ tokens: [TokenID], with scorer: inout Scorer) async throws -> Double {
    var (nats, scored, begin) = (0.0, 0, 0)
    while scored < tokens.count - 1 {
      let end = min(begin + windowLength, tokens.count - 1)
      nats += try await scorer.causal(tokens[begin...end], from: scored - begin)
      (scored, begin) = (end, begin + stride)
    }
    return nats
  }

  /// Adds the estimate of the bound for all tokens but the first.
  private func estimate(
    _ tokens: [TokenID], with scorer: inout Scorer, random: inout SeededGenerator, into report: inout Report
  ) async throws {
    var begin = 1
    while begin < tokens.count {
      let end = min(begin + windowLength, tokens.count)
      let (before, window) = (tokens[begin - 1], Array(tokens[begin..<end]))
      var draws: [Double] = []
      for _ in 0..<drawCount {
        let maskCount = Int.random(in: 1...window.count, using: &random)
        let masked = window.indices.shuffled(using: &random).prefix(maskCount).sorted()
        let nats = try await scorer.masked(window, behind: before, at: masked)
        draws.append(nats * Double(window.count) / Double(maskCount))
      }
      let mean = draws.reduce(0, +) / Double(draws.count)
      report.nats += mean
      if draws.count > 1 {
        let spread = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count - 1)
        report.variance += spread / Double(draws.count)
      }
      begin = end
    }
  }

  /// Losses of rows in passes.
  private struct Scorer {
    let model: any BlockModel
    let cache: CacheHandle
    let buffer = BlockResultBuffer()

    init(model: any BlockModel, cache: CacheHandle) {
      self.model = model
      self.cache = cache
    }

    /// Rows of a pass: their logits should not fill the memory.
    private var chunkLength: Int { max(16, min(256, (1 << 24) / model.traits.vocabularyCount)) }

    /// The losses of all tokens behind index `first`, each predicted by the rows before it, from an empty cache.
    mutating func causal(_ tokens: ArraySlice<TokenID>, from first: Int) async throws -> Double {
      try cache.truncate(to: 0)
      let tokens = Array(tokens)
      var (nats, done) = (0.0, 0)
      while done < tokens.count - 1 {
        let end = min(done + chunkLength, tokens.count - 1)
        let rows = Array(max(0, first - done)..<max(max(0, first - done), end - done))
        let plan = BlockPlan(
          tokens: tokens[done..<end], at: done, outputs: OutputRequest(rows: .some(rows)))
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
        for (output, row) in rows.enumerated() { nats += loss(of: tokens[done + row + 1], output: output) }
        done = end
      }
      return nats
    }

    /// The losses of the masked tokens of a window behind its start token; all rows see all.
    mutating func masked(_ window: [TokenID], behind start: TokenID, at masked: [Int]) async throws -> Double
    {
      try cache.truncate(to: 0)
      guard let mask = model.traits.maskToken else { preconditionFailure("a model without a mask") }
      var tokens = [start] + window
      for index in masked { tokens[index + 1] = mask }
      let shift = model.traits.logitAlignment == .same ? 1 : 0
      // The logits of one group of masks at a time, of passes that are otherwise the same.
      var nats = 0.0
      var done = 0
      while done < masked.count {
        let group = masked[done..<min(done + chunkLength, masked.count)]
        let plan = BlockPlan(
          tokens: tokens, at: 0, write: .scratch, visibility: .bidirectional,
          outputs: OutputRequest(rows: .some(group.map { $0 + shift })))
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
        for (output, index) in group.enumerated() { nats += loss(of: window[index], output: output) }
        done += group.count
      }
      return nats
    }

    private func loss(of token: TokenID, output: Int) -> Double {
      let all = Double(buffer.statistics(output: output).logSumExp)
      return all - buffer.withLogits(output: output) { Double($0[token.index]) }
    }
  }
}

/// Why texts cannot be scored.
public enum PerplexityError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Neither from left to right nor at masks of a whole window.
  case needsMode(family: String)
  /// Rows predict their own position.
  case notAutoregressive(family: String)
  /// There is no mask, or rows do not see what follows them.
  case notMasked(family: String)
  /// The tokenizer has neither a start token nor an end of text.
  case noStartToken
  /// The tokenizer makes a token that the model has no row for.
  case token(TokenID, vocabularyCount: Int)

  /// What the matter is and what to do.
  public var description: String {
    switch self {
    case .needsMode(let family):
      "models of the family \(family) denoise blocks, for which no perplexity is defined here; where rows predict the "
        + "next token they can be scored from left to right, for which they may not be trained (mode autoregressive)"
    case .notAutoregressive(let family):
      "rows of the family \(family) predict their own position: it cannot be scored from left to right"
    case .notMasked(let family): "models of the family \(family) do not fill masks anywhere in a window"
    case .token(let token, let count):
      "token \(token) of the text is outside the model's vocabulary of \(count): this tokenizer is another model's"
    case .noStartToken: "the tokenizer has no token to predict the first one from"
    }
  }
}
