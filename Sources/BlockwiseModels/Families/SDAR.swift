/// SDAR (arXiv 2510.06303): Qwen3 continued as a block-diffusion model; logits are not shifted.
enum SDAR: ModelFamily {
  static let name = "sdar"
  static let architectures = ["SDARForCausalLM"]
  static let modelTypes = ["sdar"]
  static let ggufArchitectures = ["sdar"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let configuration = try config.qwen3Configuration()
    // Released with 4 and, separately, larger blocks; configurations without the key are of the first kind.
    let block = try config.optionalInt("block_size", in: 1...1 << 16) ?? 4
    let mask = try config.optionalInt("mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(
        family: name, maskToken: mask, alignment: .same, contextMask: .blockCausal(size: block)),
      names: .huggingFace)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyNorm = true
    let block = try metadata.gridBlockSize(isShifted: false)
    let mask = try metadata.optionalGlobalInt(
      "tokenizer.ggml.mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(
        family: name, maskToken: mask, alignment: .same, contextMask: .blockCausal(size: block)),
      names: .gguf)
  }
}
