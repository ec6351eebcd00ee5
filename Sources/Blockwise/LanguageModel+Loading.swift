extension LanguageModel {
  /// Loads a checkpoint: a Hugging Face folder, a GGUF file, or the short name of a shipped model.
  ///
  /// Weights are mapped from the file and packed for the kernels once; work runs outside Swift's cooperative pool.
  /// - Parameters:
  ///   - model: path or name.
  ///   - options: context, cache, threads and arithmetic.
  ///   - progress: called with the share of the work that is done, 0…1.
  /// - Throws: ``ModelLocatorError``, ``ModelFileError``, ``ModelError``, ``TokenizerError``, ``LogitShiftError``: they name
  ///   file, key or tensor, what was found and what was expected.
  public static func load(
    _ model: String = ModelLocator.defaultName, options: ModelLoadOptions = ModelLoadOptions(),
    locator: ModelLocator = .standard, progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) async throws -> LanguageModel {
    try await load(model, options: options, locator: locator, companion: nil, progress: progress)
  }

  /// Loads a checkpoint that runs on the threads of another one.
  static func load(
    _ model: String, options: ModelLoadOptions, locator: ModelLocator = .standard, companion: LanguageModel?,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) async throws -> LanguageModel {
    let clock = ContinuousClock()
    let start = clock.now
    let path = try locator.path(for: model)
    let loaded = try await LoadingThread.run {
      var timing = LoadTiming()
      func timed<Part>(_ part: WritableKeyPath<LoadTiming, Double>, _ body: () throws -> Part) rethrows
        -> Part
      {
        let start = clock.now
        defer { timing[keyPath: part] = (clock.now - start) / .seconds(1) }
        return try body()
      }
      let source = try timed(\.open) { try ModelSource(path: path) }
      let tokenizer = try timed(\.tokenizer) { try loadTokenizer(source) }
      let network = try timed(\.weights) {
        try DecoderModel.load(
          source, options: options, maskToken: tokenizer.maskToken,
          companion: companion?.network as? DecoderModel, progress: progress)
      }
      try checkVocabulary(tokenizer, network.traits, path: path)
      let templates = try ChatTemplateSources(source)
      timing.total = (clock.now - start) / .seconds(1)
      return LanguageModel(
        network: network, tokenizer: tokenizer, chatTemplates: templates,
        generationConfiguration: source.generationConfiguration, path: path,
        summary: network.summary, contextLength: network.traits.contextLength, loadTiming: timing,
        locator: locator)
    }
    if options.checksLogitShift {
      try await LogitShiftTest.check(loaded.network, loaded.tokenizer, file: path)
    }
    return loaded
  }

  /// The network of a checkpoint alone, for work on tokens that needs no text.
  /// - Throws: ``ModelFileError``, ``ModelError``.
  public static func loadNetwork(
    _ source: ModelSource, options: ModelLoadOptions = ModelLoadOptions(),
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) async throws -> DecoderModel {
    try await LoadingThread.run { try DecoderModel.load(source, options: options, progress: progress) }
  }

  /// The tokenizer that belongs to a checkpoint.
  public static func loadTokenizer(_ source: ModelSource) throws -> Tokenizer {
    switch source {
    case .folder(let folder): try Tokenizer.load(folder: folder)
    case .gguf(let gguf): try Tokenizer.load(gguf: gguf)
    }
  }

  /// A tokenizer may know fewer tokens than the head has rows (padding), but none that the embedding lacks.
  private static func checkVocabulary(_ tokenizer: Tokenizer, _ traits: ModelTraits, path: String) throws {
    guard tokenizer.vocabularyCount > 0 else {
      throw ModelError.key("vocab", found: "no tokens", expected: "a tokenizer with tokens", file: path)
    }
    guard tokenizer.vocabularyCount <= traits.vocabularyCount else {
      throw ModelError.key(
        "vocab_size", found: "\(traits.vocabularyCount)",
        expected: "at least the \(tokenizer.vocabularyCount) tokens of the tokenizer", file: path)
    }
  }
}
