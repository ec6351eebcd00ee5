/// The switches of the one generic decoder stack that all families map to.
///
/// ```
/// h = embed[ids]
/// per layer:  a = norm(h); q, k, v = proj(a) (+ bias); q, k = norm?(q, k); rope; h += proj(attend(q, k, v))
///             h += mlp(norm(h))                     mlp = down(silu(gate x) · up x), or a mixture of such
/// logits = head(norm(h))
/// ```
public struct DecoderConfiguration: Sendable, Hashable {
  /// Elements of a hidden state.
  public var hiddenSize: Int
  /// Layers.
  public var layerCount: Int
  /// Query heads.
  public var headCount: Int
  /// Key/value heads; a divisor of ``headCount``.
  public var keyValueHeadCount: Int
  /// Elements of a head; `headCount · headDimension` may differ from ``hiddenSize``.
  public var headDimension: Int
  /// Inner size of a dense feed-forward network.
  public var feedForwardSize: Int
  /// Rows of the embedding and of the head.
  public var vocabularyCount: Int
  /// Positions the model was made for.
  public var contextLength: Int
  /// Added to the mean square, or the variance, in norms.
  public var normEpsilon: Float
  /// Rotary position embedding.
  public var rotary: RotaryConfiguration
  /// Per layer: keys further back than this many positions are hidden; nil sees all.
  public var windows: [Int?]
  /// Layers whose q and k are rotated; nil rotates all (SmolLM3 leaves every fourth layer without positions).
  public var rotaryLayers: [Bool]?
  /// RMS norm of each head of q and k before rotation (Qwen3).
  public var hasQueryKeyNorm = false
  /// Biases of q, k and v (Qwen2).
  public var hasQueryKeyValueBias = false
  /// Bias of the attention's output projection.
  public var hasAttentionOutputBias = false
  /// Biases of the three feed-forward projections.
  public var hasFeedForwardBias = false
  /// What the gate of a feed-forward network, or its only inner projection, goes through.
  public var activation = Activation.silu
  /// Whether the feed-forward network has a gate: `down(act(gate x) · up x)`, else `down(act(up x))` (GPT-NeoX).
  public var hasGate = true
  /// Norms subtract the mean and add a bias (LayerNorm) instead of dividing by the root mean square alone.
  public var hasLayerNorm = false
  /// The feed-forward network reads the same residual stream as attention, not attention's result (GPT-NeoX).
  public var hasParallelResidual = false
  /// RMS norms behind attention and feed-forward network, before they join the residual stream (Gemma).
  public var hasPostNorms = false
  /// Checkpoints store the weights of RMS norms less one (Gemma in Hugging Face layout).
  public var storesNormsLessOne = false
  /// Factor on the embedding (Gemma: √hidden); nil is 1.
  public var embeddingScale: Float?
  /// Factor on attention scores; nil is 1/√(head dimension).
  public var attentionScale: Float?
  /// Bounds attention scores by `cap · tanh(score / cap)` (Gemma 2).
  public var attentionSoftCap: Float?
  /// Bounds logits likewise.
  public var finalSoftCap: Float?
  /// The rotary embedding of layers with a window, where it is another one (Gemma 3).
  public var windowRotary: RotaryConfiguration?
  /// The output head is the embedding matrix.
  public var tiesEmbeddings = false
  /// Experts instead of one feed-forward network in some layers.
  public var mixture: Mixture?
  /// Every row is a token and a vector: attention reads the norms of the token's embedding and of the vector side by side, and
  /// the vector is the residual stream (EAGLE-3, arXiv 2503.01840). Such a decoder has one layer.
  public var readsPairs = false
  /// Rows of the head where they are not one per token (EAGLE-3's frequent tokens).
  public var logitCount: Int?

  /// An activation function.
  public enum Activation: Sendable, Hashable {
    /// `x · σ(x)`.
    case silu
    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    case geluTanh
    /// `x/2 · (1 + erf(x / √2))`; only without a gate.
    case gelu
  }

  /// A mixture of experts with softmax routing (Qwen3-MoE).
  public struct Mixture: Sendable, Hashable {
    /// Experts of a layer.
    public var expertCount: Int
    /// Experts that a row uses.
    public var usedExpertCount: Int
    /// Inner size of an expert.
    public var feedForwardSize: Int
    /// Divides the weights of the used experts by their sum.
    public var normalizesWeights: Bool
    /// Whether each layer is a mixture.
    public var layers: [Bool]
  }

  /// Rows of the head.
  var outputCount: Int { logitCount ?? vocabularyCount }
  /// Columns of the fused q, k, v projection.
  var attentionInputSize: Int { readsPairs ? 2 * hiddenSize : hiddenSize }
  /// Rows of the fused q, k, v projection.
  var queryKeyValueSize: Int { (headCount + 2 * keyValueHeadCount) * headDimension }
  var querySize: Int { headCount * headDimension }
  var keyValueSize: Int { keyValueHeadCount * headDimension }
}
