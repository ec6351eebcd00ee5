public import BlockwiseFiles
public import BlockwiseModels

/// Guesses ahead and lets one pass judge all guesses: source → tree → pass → acceptance → cache.
///
/// Under ``ExactAcceptance`` the tokens, and the cache afterwards, are those of ``AutoregressiveDecoder``: whatever the
/// sources guess decides only how many passes it takes.
public struct SpeculativeDecoder: Sendable {
  let plain: AutoregressiveDecoder
  let options: SpeculativeOptions

  /// A decoder for an autoregressive model.
  /// - Throws: as ``AutoregressiveDecoder/init(model:options:)``, and ``DecodingError/option(_:found:expected:)`` where the
  ///   parts do not fit each other.
  public init(model: any BlockModel, options: SpeculativeOptions) throws {
    plain = try AutoregressiveDecoder(model: model, options: options.plain)
    self.options = options
    guard options.sources.count <= 64 else {
      throw DecodingError.option("sources", found: "\(options.sources.count)", expected: "at most 64")
    }
    if options.accept.textFollowsGuesses, options.shape is CostShaper, !options.accept.needsWholeTree {
      throw DecodingError.option(
        "shape", found: options.shape.text,
        expected: "best or all with accept=\(options.accept.text): the text must not follow measured times")
    }
    if options.accept.needsWholeTree, options.shape.looksAtGuesses {
      throw DecodingError.option(
        "shape", found: options.shape.text,
        expected:
          "all with accept=\(options.accept.text): cutting a tree by what was drawn would change the distribution"
      )
    }
  }

  /// Continues a prompt; see ``AutoregressiveDecoder/generate(prompt:cache:progress:commit:)``.
  public func generate(
    prompt: [TokenID], cache: CacheHandle, progress: (Int, Int) -> Void = { _, _ in },
    commit: (SampledToken) async throws -> Bool
  ) async throws -> (FinishReason, GenerationStatistics) {
    var run = try SpeculativeRun(self, prompt: prompt, cache: cache)
    let reason = try await run.generate(progress: progress, commit: commit)
    return (reason, run.statistics)
  }

  /// Refuses prompts that cannot be continued.
  package func check(_ prompt: [TokenID], contextLength: Int) throws {
    try plain.check(prompt, contextLength: contextLength)
  }
}
