/// The decoder that a request's method asks for.
struct SessionDecoder {
  private enum Decoder {
    case autoregressive(AutoregressiveDecoder)
    case speculative(SpeculativeDecoder)
    case diffusion(DiffusionDecoder, canvas: [TokenID?], showsPreviews: Bool)
  }

  /// Slots of an answer without a limit where the model sees all of them from the first pass on, so that their number is a part
  /// of the question.
  static let closedCanvasCount = 256

  private let decoder: Decoder
  /// How it computes the context.
  let contextKind: ContextKind

  /// A decoder for a prompt.
  /// - Throws: whatever is wrong with prompt, options or model: nothing has changed then.
  init(
    model: LanguageModel, options: GenerationOptions, decision: MethodDecision, prompt: [TokenID],
    contextLength: Int, memory: DraftMemory
  ) async throws {
    if decision.method == GenerationOptions.Method.speculative.rawValue,
      let recipe = try model.draftRecipe(for: options)
    {
      let decoder = try SpeculativeDecoder(
        model: model.merger,
        options: try await model.speculativeOptions(
          for: options, recipe: recipe, contextLength: contextLength, memory: memory))
      try decoder.check(prompt, contextLength: contextLength)
      self.decoder = .speculative(decoder)
      contextKind = .causal
      return
    }
    guard decision.method == GenerationOptions.Method.diffusion.rawValue else {
      let decoder = try AutoregressiveDecoder(
        model: model.merger, options: model.autoregressiveOptions(for: options))
      try decoder.check(prompt, contextLength: contextLength)
      self.decoder = .autoregressive(decoder)
      contextKind = .causal
      return
    }
    let recipe = try model.recipe(options.recipe)
    let decoder = try DiffusionDecoder(
      model: model.merger, options: model.diffusionOptions(for: options, recipe: recipe))
    let wanted =
      options.maximumTokenCount
      ?? (model.traits.contextMask == .bidirectional ? Self.closedCanvasCount : .max)
    guard wanted >= 0 else {
      throw DecodingError.option("maximumTokenCount", found: "\(wanted)", expected: "at least 0")
    }
    let room = max(0, contextLength - prompt.count)
    let canvas = options.canvas ?? Array(repeating: nil, count: min(room, wanted))
    try decoder.check(prompt, canvas, contextLength: contextLength)
    self.decoder = .diffusion(decoder, canvas: canvas, showsPreviews: options.showsPreviews)
    contextKind = model.contextKind(recipe)
  }

  /// Generates; see the decoders.
  func generate(
    prompt: [TokenID], cache: CacheHandle, progress: (Int, Int) -> Void, preview: ([TokenID]) -> Void,
    commit: (SampledToken) async throws -> Bool
  ) async throws -> (FinishReason, GenerationStatistics) {
    switch decoder {
    case .autoregressive(let decoder):
      try await decoder.generate(prompt: prompt, cache: cache, progress: progress, commit: commit)
    case .speculative(let decoder):
      try await decoder.generate(prompt: prompt, cache: cache, progress: progress, commit: commit)
    case .diffusion(let decoder, let canvas, let showsPreviews):
      try await decoder.generate(
        prompt: prompt, canvas: canvas, cache: cache, progress: progress,
        preview: { if showsPreviews { preview($0) } }, commit: commit)
    }
  }
}
