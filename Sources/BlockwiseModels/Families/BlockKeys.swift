/// Keys that tell how a diffusion model's blocks lie in its context.
///
/// A model adapted to blocks behind a causal context (NBDiff, arXiv 2512.06776) is a plain autoregressive model too: readers that
/// do not know the keys are right. A model whose context is made of blocks (SDAR, Fast-dLLM v2) is none, so its GGUF files have
/// an architecture of their own, which other programs refuse.
enum BlockKeys {
  /// In config.json: the largest block that the model was adapted to.
  static let blockSize = "block_size"
  /// In config.json: what the rows of the context see; ``causal`` is the only kind there is.
  static let context = "block_context"
  /// In config.json: whether logits stay shifted by one (they do).
  static let shift = "shift_logits"

  /// In GGUF: the number of positions of a block.
  static let ggufBlockSize = "blockwise.diffusion.block_size"
  /// In GGUF: what the rows of the context see, ``causal`` or ``blockCausal``.
  static let ggufContext = "blockwise.diffusion.context"
  /// In GGUF: where the first block begins, ``prompt`` or ``sequence``.
  static let ggufAnchor = "blockwise.diffusion.anchor"
  /// In GGUF, llama.cpp's key: whether the row before a position speaks of it.
  static let ggufShift = "diffusion.shift_logits"

  /// Rows of the context see what lies before them.
  static let causal = "causal"
  /// Rows of the context see their block and what lies before it.
  static let blockCausal = "block-causal"
  /// Blocks begin behind the prompt, wherever that ends.
  static let prompt = "prompt"
  /// Blocks lie on a grid from position 0.
  static let sequence = "sequence"
}

extension GGUFReader {
  /// Size of the blocks of a grid from position 0.
  /// - Throws: ``ModelError`` where the file lacks it, or says of context, anchor or shift what the architecture is not.
  func gridBlockSize(isShifted: Bool) throws -> Int {
    guard let size = try optionalGlobalInt(BlockKeys.ggufBlockSize, in: 1...1 << 16) else {
      throw ModelError.keyMissing(BlockKeys.ggufBlockSize, file: file)
    }
    try expect(BlockKeys.ggufContext, BlockKeys.blockCausal)
    try expect(BlockKeys.ggufAnchor, BlockKeys.sequence)
    if let found = try optionalGlobalBool(BlockKeys.ggufShift), found != isShifted {
      throw ModelError.key(BlockKeys.ggufShift, found: "\(found)", expected: "\(isShifted)", file: file)
    }
    return size
  }

  /// Refuses another value of a key; without the key it is what it should be.
  func expect(_ key: String, _ value: String) throws {
    guard let found = try optionalGlobalString(key), found != value else { return }
    throw ModelError.key(key, found: "\"\(found)\"", expected: "\"\(value)\"", file: file)
  }
}
