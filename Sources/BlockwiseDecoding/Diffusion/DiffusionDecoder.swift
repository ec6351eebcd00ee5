public import BlockwiseFiles
public import BlockwiseModels

/// Fills the masks of a diffusion model, several in a pass: one loop for all families and policies.
///
/// The loop owns progress and termination: a pass decides at least one position, takes back fewer than it has decided, and never
/// touches a known token.
public struct DiffusionDecoder: Sendable {
  let model: any BlockModel
  let options: DiffusionOptions
  let layout: DenoiseLayout
  let mask: TokenID

  /// A decoder for a model that fills masks.
  /// - Throws: ``DecodingError`` where model and recipe do not fit each other, ``SamplingError``.
  public init(model: any BlockModel, options: DiffusionOptions) throws {
    let traits = model.traits
    guard let mask = traits.maskToken, traits.contextMask != .causal else {
      throw DecodingError.method(
        "filling masks", family: traits.family,
        reason: traits.contextMask == .causal
          ? "it was trained to continue text from left to right" : "its mask token is not known")
    }
    guard options.prefillRowCount > 0 else {
      throw DecodingError.option(
        "prefillRowCount", found: "\(options.prefillRowCount)", expected: "at least 1")
    }
    try options.sampling.validate()
    self.model = model
    self.options = options
    self.mask = mask
    layout = try Self.layout(traits, options.recipe)
  }

  private static func layout(_ traits: ModelTraits, _ recipe: DenoiseRecipe) throws -> DenoiseLayout {
    func refuse(_ policy: String, _ reason: String) -> DecodingError {
      .method("a recipe with \(policy)", family: traits.family, reason: reason)
    }
    let isShifted = traits.logitAlignment == .previous
    if isShifted, recipe.revise.needsShadows || recipe.revise.needs.contains(.allSlots) {
      throw refuse(
        "revise=\(recipe.revise.text)",
        "its rows speak of the next token, which they see once it is decided; there is nothing to verify it by"
      )
    }
    if let filter = recipe.commit as? FilterCommit, recipe.block.gridSize != filter.filter.blockSize {
      throw refuse(
        "commit=\(filter.text)",
        "the filter was trained on blocks of \(filter.filter.blockSize) and block=\(recipe.block.text) makes others"
      )
    }
    let cache = recipe.cache
    let kind: DenoiseLayout.Kind
    switch traits.contextMask {
    case .causal, .bidirectional:
      guard cache is NoCache || cache is PrefixCache || cache is DualCache else {
        throw refuse("cache=\(cache.text)", "all its rows see each other; possible are none, prefix and dual")
      }
      kind = .canvas
    case .blockCausal, .contextCausal:
      guard cache is NoCache || cache is ExactBlockCache || cache is AheadBlockCache || cache is SubBlockCache
      else {
        throw refuse(
          "cache=\(cache.text)", "its finished blocks never change; possible are none, exact, ahead and sub")
      }
      if cache is SubBlockCache, recipe.block.subBlockSize == nil {
        throw refuse("cache=\(cache.text)", "a sub-block cache needs block=fixed(size,sub-block)")
      }
      if case .blockCausal = traits.contextMask {
        guard let size = recipe.block.gridSize else {
          throw refuse("block=\(recipe.block.text)", "its blocks lie on a grid; possible is fixed")
        }
        kind = .grid(size: size)
      } else {
        if recipe.block is WholeCanvas {
          throw refuse("block=\(recipe.block.text)", "it was trained on blocks; possible are fixed and ada")
        }
        if let largest = traits.blockSize, let size = recipe.block.gridSize, size > largest {
          throw refuse("block=\(recipe.block.text)", "its largest blocks have \(largest) positions")
        }
        kind = .behindContext
      }
    }
    return DenoiseLayout(
      kind: kind, isShifted: isShifted, keepsBlocks: !(cache is NoCache),
      keepsOpenBlock: cache is SubBlockCache,
      // The length of an adaptive block is not known before it is looked at.
      looksAhead: cache is AheadBlockCache && recipe.block.gridSize != nil)
  }

  /// Fills a canvas behind a prompt.
  ///
  /// - Parameters:
  ///   - prompt: all tokens from the first position on.
  ///   - canvas: the answer's slots: known tokens, and nil where one is wanted.
  ///   - cache: its committed tokens equal the front of `prompt`, computed for the same kind of context; others are dropped.
  ///   - progress: called after every pass over the prompt with the tokens done and all tokens of the prompt.
  ///   - preview: called after a pass with the answer as it stands; undecided slots hold the mask token.
  ///   - commit: receives every token of the answer in order, when it is final; known ones have log-probability 0.
  ///     Returning false ends the generation as a stop.
  public func generate(
    prompt: [TokenID], canvas: [TokenID?], cache: CacheHandle, progress: (Int, Int) -> Void = { _, _ in },
    preview: ([TokenID]) -> Void = { _ in }, commit: (SampledToken) async throws -> Bool
  ) async throws -> (FinishReason, GenerationStatistics) {
    try check(prompt, canvas, contextLength: cache.contextLength)
    var run = try DenoiseRun(decoder: self, prompt: prompt, canvas: canvas, cache: cache)
    defer { try? cache.rollback() }
    let reason = try await run.run(progress: progress, preview: preview, commit: commit)
    return (reason, run.statistics)
  }

  /// What distributions of the pass before may take.
  private static let keptByteLimit = 1 << 30

  /// Refuses prompts and canvases that cannot be filled.
  package func check(_ prompt: [TokenID], _ canvas: [TokenID?], contextLength: Int) throws {
    guard !prompt.isEmpty else { throw DecodingError.emptyPrompt }
    guard prompt.count < contextLength else {
      throw DecodingError.promptTooLong(tokenCount: prompt.count, contextLength: contextLength)
    }
    guard prompt.count + canvas.count <= contextLength else {
      throw DecodingError.option(
        "canvas", found: "\(canvas.count) slots behind \(prompt.count) tokens",
        expected: "at most the context of \(contextLength) together")
    }
    // Distributions over the vocabulary are kept from pass to pass.
    if options.recipe.commit.needs.contains(.divergence) {
      let slots = min(canvas.count, options.recipe.block.gridSize ?? canvas.count)
      let limit = Self.keptByteLimit / MemoryLayout<Float>.stride / model.traits.vocabularyCount
      guard slots <= limit else {
        throw DecodingError.option(
          "recipe", found: "commit=\(options.recipe.commit.text) on \(slots) slots at once",
          expected: "at most \(limit) with a vocabulary of \(model.traits.vocabularyCount)")
      }
    }
    for (position, token) in (prompt + canvas.compactMap(\.self)).enumerated()
    where !(0..<model.traits.vocabularyCount).contains(token.index) {
      throw DecodingError.token(
        token.index, position: position, vocabularyCount: model.traits.vocabularyCount)
    }
  }
}
