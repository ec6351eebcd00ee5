/// Fast-dLLM v2 (arXiv 2509.26328): Qwen2.5 adapted to block diffusion; logits stay shifted by one.
///
/// The configuration does not name the mask token: the loader asks the tokenizer for `|<MASK>|`.
enum FastDLLM: ModelFamily {
  static let name = "fast-dllm-v2"
  static let architectures = ["Fast_dLLM_QwenForCausalLM"]
  static let modelTypes = ["Fast_dLLM_Qwen"]
  static let ggufArchitectures = ["fast-dllm"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let configuration = try config.qwen2Configuration()
    let block = try config.optionalInt("bd_size", in: 1...1 << 16) ?? 32
    let mask = try config.optionalInt("mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(family: name, maskToken: mask, contextMask: .blockCausal(size: block)),
      names: .huggingFace)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyValueBias = true
    let block = try metadata.gridBlockSize(isShifted: true)
    let mask = try metadata.optionalGlobalInt(
      "tokenizer.ggml.mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(family: name, maskToken: mask, contextMask: .blockCausal(size: block)),
      names: .gguf)
  }
}
