public import BlockwiseFiles

/// What a model is able to do, as far as decoding is concerned. Traits decide which methods apply, not flags.
public struct ModelTraits: Sendable, Hashable {
  /// Which row predicts a token.
  public enum LogitAlignment: String, Sendable, Hashable {
    /// Logit row `i` predicts the token at `i` (LLaDA, SDAR).
    case same
    /// Logit row `i − 1` predicts the token at `i`: autoregressive models, Dream, Fast-dLLM v2, NBDiff.
    case previous
  }

  /// What the rows of a context see when it is encoded.
  public enum ContextMask: Sendable, Hashable {
    /// Autoregressive.
    case causal
    /// All positions see all (LLaDA, Dream).
    case bidirectional
    /// Blocks of `size` positions on a grid from position 0 see themselves and earlier blocks (SDAR, Fast-dLLM v2).
    case blockCausal(size: Int)
    /// Causal context, and an open block that sees everything (NBDiff).
    case contextCausal(size: Int)
  }

  /// The family's name, such as `qwen2` or `llada`.
  public var family: String
  /// Rows of the output head; may exceed what the tokenizer knows.
  public var vocabularyCount: Int
  /// Positions the model was made for.
  public var contextLength: Int
  /// Elements of a hidden state.
  public var hiddenSize: Int
  /// Layers of the network.
  public var layerCount: Int
  /// The token that stands for "not decided yet" in diffusion models.
  public var maskToken: TokenID?
  /// Which row predicts a token.
  public var logitAlignment: LogitAlignment
  /// What the rows of a context see.
  public var contextMask: ContextMask
  /// The multimodal architecture whose text part this is; its other parts are not loaded.
  public var multimodalArchitecture: String?

  /// Positions that a diffusion model denoises together; nil for models without a grid of blocks.
  public var blockSize: Int? {
    switch contextMask {
    case .blockCausal(let size), .contextCausal(let size): size
    case .causal, .bidirectional: nil
    }
  }

  /// Whether the model can be decoded one token at a time from left to right, exactly as it was trained. Models with a
  /// causal context can: a block of one is the next token.
  public var isAutoregressive: Bool {
    switch contextMask {
    case .causal, .contextCausal: true
    case .bidirectional, .blockCausal: false
    }
  }
}
