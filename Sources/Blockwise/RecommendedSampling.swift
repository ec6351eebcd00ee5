extension LanguageModel {
  /// The sampling that the checkpoint's makers recommend (`generation_config.json`, `general.sampling.*`); greedy where
  /// they recommend none.
  ///
  /// As transformers reads it: temperature and filters count only together with `do_sample`, the repetition penalty
  /// always, over the whole text.
  public var recommendedSampling: SamplingOptions {
    let recommended = generationConfiguration
    var options = SamplingOptions()
    if recommended.doesSample == true {
      options.temperature = Float(recommended.temperature ?? 1)
      options.topK = recommended.topK
      options.topP = Float(recommended.topP ?? 1)
      options.minP = Float(recommended.minP ?? 0)
      if options.topP <= 0 { options.topK = 1 }  // nothing but the most likely token
      if options.topP <= 0 { options.topP = 1 }
    }
    if let penalty = recommended.repetitionPenalty, penalty != 1 {
      options.repetitionPenalty = Float(penalty)
      options.penaltyWindow = nil
    }
    return options
  }
}
