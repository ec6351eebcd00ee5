extension LanguageModel {
  /// A recipe for this model: what the text leaves out is chosen by the model's traits.
  /// - Throws: ``RecipeError`` that points at the word.
  public func recipe(_ text: String? = nil) throws(RecipeError) -> DenoiseRecipe {
    let defaults: DenoiseRecipe
    switch traits.contextMask {
    case .causal, .bidirectional:
      defaults = DenoiseRecipe(block: FixedBlocks(32), commit: ThresholdCommit(0.9), cache: DualCache())
    case .blockCausal(let size):
      defaults = DenoiseRecipe(
        block: FixedBlocks(size), commit: ThresholdCommit(0.9), cache: AheadBlockCache())
    case .contextCausal(let size):
      // Any size up to the trained one will do; small parts, filled from left to right, kept most of the accuracy
      // of our own model (docs/diffusion.md).
      defaults = DenoiseRecipe(
        block: size >= 8 ? FixedBlocks(8, subSize: 4) : FixedBlocks(size), commit: ThresholdCommit(0.9),
        cache: AheadBlockCache())
    }
    guard let text, text != "auto" else { return defaults }
    return try DenoiseRecipe(text, defaults: defaults)
  }

  /// Options of the decoder for a request.
  package func diffusionOptions(for options: GenerationOptions, recipe: DenoiseRecipe) -> DiffusionOptions {
    DiffusionOptions(
      recipe: recipe, stopTokens: options.stopTokens.union(options.ignoresEndOfText ? [] : endTokens),
      sampling: options.sampling, vocabularyLimit: min(tokenizer.vocabularyCount, traits.vocabularyCount),
      delimiters: recipe.block is AdaptiveBlocks ? lineEndTokens : [])
  }

  /// Tokens whose text ends with a line end.
  private var lineEndTokens: Set<TokenID> {
    var tokens: Set<TokenID> = []
    for index in 0..<min(tokenizer.vocabularyCount, traits.vocabularyCount) {
      let token = TokenID(index)
      if tokenizer.bytes(of: token).last == UInt8(ascii: "\n") { tokens.insert(token) }
    }
    return tokens
  }

  /// What the keys and values of a context depend on beside its tokens: a cache can be used again only for the same.
  func contextKind(_ recipe: DenoiseRecipe) -> ContextKind {
    switch traits.contextMask {
    case .causal, .contextCausal: return .causal
    case .bidirectional: return .canvas
    case .blockCausal: return .grid(recipe.block.gridSize ?? 1)
    }
  }
}

/// How the committed tokens of a cache were computed.
enum ContextKind: Sendable, Hashable {
  case causal
  case grid(Int)
  /// Nothing is committed.
  case canvas
}
