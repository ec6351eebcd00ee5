package import BlockwiseFiles
internal import BlockwiseKernels

/// Heads that guess tokens from a model's hidden states: Medusa (arXiv 2401.10774), Hydra and Hydra++ (arXiv 2402.05109),
/// EAGLE-3 (arXiv 2503.01840), in the layouts of their published files, as safetensors.
///
/// Float matrices are rounded to Q8_0 where the model itself computes with 8-bit rows: heads only guess, so that their
/// rounding can change how fast a text appears, never which.
public final class DraftHeads: Sendable {
  /// How heads guess.
  public enum Kind: String, Sendable, Hashable {
    /// Every head guesses from the hidden state alone.
    case medusa
    /// A head also reads the tokens that were guessed before it.
    case hydra
    /// One decoder layer, fed with its own outputs.
    case eagle
  }

  /// How these heads guess.
  public let kind: Kind
  /// The folder they come from.
  public let path: String
  /// Tokens that can be guessed ahead; nil where a layer is fed with its own outputs.
  public let depth: Int?
  /// The hidden states of the model that they read.
  public let taps: [OutputRequest.Tap]
  /// Bytes of their weights in memory.
  public let byteCount: Int

  /// Medusa, Hydra: the heads. EAGLE-3: one linear map, from the taps side by side to the layer's vectors.
  let network: HeadNetwork
  /// Hydra++: a layer over the final hidden states. EAGLE-3: the layer with its head.
  package let layer: DecoderModel?
  /// EAGLE-3: the tokens that its head's rows stand for.
  package let headTokens: [TokenID]
  /// Elements of a hidden state of the model.
  package let hiddenSize: Int
  private let embedding: DecoderWeights.Embedding

  init(
    kind: Kind, path: String, depth: Int?, taps: [OutputRequest.Tap], network: HeadNetwork,
    layer: DecoderModel?, headTokens: [TokenID], target: DecoderModel
  ) {
    self.kind = kind
    self.path = path
    self.depth = depth
    self.taps = taps
    self.network = network
    self.layer = layer
    self.headTokens = headTokens
    hiddenSize = target.configuration.hiddenSize
    embedding = target.weights.embedding
    byteCount = network.byteCount + (layer?.weights.ownByteCount(beside: target.weights) ?? 0)
  }

  /// Logits `[rows, entries of the head]` of a head, or the linear map's values.
  /// - Parameter inputs: `[rows, input of the head]`.
  package func outputs(of head: Int, _ inputs: [Float]) async throws -> [Float] {
    try await network.outputs(of: head, inputs)
  }

  /// Entries of a head's rows.
  package func outputSize(of head: Int) -> Int { network.heads[head].outputSize }

  /// The model's embedding of a token, f32 `[hidden]`.
  package func embedding(of token: TokenID) -> [Float] {
    [Float](unsafeUninitializedCapacity: hiddenSize) { buffer, count in
      if let base = buffer.baseAddress { embedding.decodeRow(token.index, into: base) }
      count = hiddenSize
    }
  }
}

extension DecoderWeights {
  /// Bytes of matrices that another model's weights do not have.
  fileprivate func ownByteCount(beside other: DecoderWeights) -> Int {
    let known = Set(other.matrices.map(ObjectIdentifier.init))
    return matrices.reduce(0) { known.contains(ObjectIdentifier($1)) ? $0 : $0 + $1.byteCount }
  }
}
