/// Keys that tell a model adapted to block diffusion in a causal context (NBDiff, arXiv 2512.06776) from the plain model
/// that it also is. Readers without them see an ordinary autoregressive model, which is right: the context is causal.
enum ContextCausalKeys {
  /// In config.json: the largest block that the model was adapted to.
  static let blockSize = "block_size"
  /// In config.json: what the rows of the context see; ``causal`` is the only kind there is.
  static let context = "block_context"
  /// In config.json: whether logits stay shifted by one (they do).
  static let shift = "shift_logits"
  /// The same in GGUF; the third key is llama.cpp's.
  static let ggufBlockSize = "blockwise.diffusion.block_size"
  static let ggufContext = "blockwise.diffusion.context"
  static let ggufShift = "diffusion.shift_logits"
  /// The value of both keys of the context.
  static let causal = "causal"
}
