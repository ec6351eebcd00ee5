/// Dream (arXiv 2508.15487): Qwen2.5 continued as a diffusion model; all rows see all, logits stay shifted by one.
enum Dream: ModelFamily {
  static let name = "dream"
  static let architectures = ["DreamModel"]
  static let modelTypes = ["Dream", "dream"]
  static let ggufArchitectures = ["dream"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let configuration = try config.qwen2Configuration()
    let mask = try config.optionalInt("mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(family: name, maskToken: mask, contextMask: .bidirectional),
      names: .huggingFace)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyValueBias = true
    // llama.cpp takes the shift for granted when the key is absent.
    let isShifted = try metadata.optionalGlobalBool("diffusion.shift_logits") ?? true
    let mask = try metadata.optionalGlobalInt(
      "tokenizer.ggml.mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(
        family: name, maskToken: mask, alignment: isShifted ? .previous : .same, contextMask: .bidirectional),
      names: .gguf)
  }
}
