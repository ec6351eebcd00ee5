extension LanguageModel {
  /// The sampling that the checkpoint's makers recommend (`generation_config.json`, `general.sampling.*`); greedy where
  /// they recommend none. See ``GenerationConfiguration/sampling``.
  public var recommendedSampling: SamplingOptions { generationConfiguration.sampling }
}

extension GenerationConfiguration {
  /// The recommended sampling as options; greedy where none is recommended.
  ///
  /// As transformers reads it: temperature and filters count only together with `do_sample`, the repetition penalty
  /// always, over the whole text.
  public var sampling: SamplingOptions {
    var options = SamplingOptions()
    if doesSample == true {
      options.temperature = Float(temperature ?? 1)
      options.topK = topK
      options.topP = Float(topP ?? 1)
      options.minP = Float(minP ?? 0)
      if options.topP <= 0 {
        // Nothing but the most likely token.
        options.topK = 1
        options.topP = 1
      }
    }
    if let penalty = repetitionPenalty, penalty != 1 {
      options.repetitionPenalty = Float(penalty)
      options.penaltyWindow = nil
    }
    return options
  }
}
