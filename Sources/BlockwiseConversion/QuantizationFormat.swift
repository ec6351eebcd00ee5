public import BlockwiseFiles

/// A format that a whole model can be written in.
public enum QuantizationFormat: String, Sendable, Hashable, CaseIterable {
  case f32, f16, bf16
  case q8_0, q4_0, q4_1, q5_0, q5_1
  case q4_k, q4_k_m, q5_k, q6_k
  case iq4_nl

  /// How matrices are stored.
  public var matrixType: TensorType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .known(8)
    case .q4_0: .known(2)
    case .q4_1: .known(3)
    case .q5_0: .known(6)
    case .q5_1: .known(7)
    case .q4_k, .q4_k_m: .known(12)
    case .q5_k: .known(13)
    case .q6_k: .known(14)
    case .iq4_nl: .known(20)
    }
  }

  /// The number of `general.file_type` in GGUF.
  var fileType: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .bf16: 32
    case .q8_0: 7
    case .q4_0: 2
    case .q4_1: 3
    case .q5_0: 8
    case .q5_1: 9
    case .q4_k: 14
    case .q4_k_m: 15
    case .q5_k: 16
    case .q6_k: 18
    case .iq4_nl: 25
    }
  }

  /// How the head is stored unless told otherwise: errors there are errors of every logit.
  var headType: TensorType {
    switch self {
    case .f32, .f16, .bf16, .q8_0: matrixType
    case .q4_0, .q4_1, .q5_0, .q5_1, .iq4_nl: .known(8)
    case .q4_k, .q4_k_m, .q5_k, .q6_k: .known(14)
    }
  }

  /// How a matrix of a layer is stored.
  ///
  /// `q4_k_m` gives more bits to the values of attention and to the second half of the feed-forward network, in the
  /// first and last eighths of the layers and in every third between: errors weigh most there.
  ///
  /// - Parameter name: in GGUF.
  func matrixType(_ name: String, layer: Int?, of layerCount: Int) -> TensorType {
    guard self == .q4_k_m, let layer else { return matrixType }
    if name.contains(".attn_qkv.") { return .known(13) }
    guard name.contains(".attn_v.") || name.contains(".ffn_down") else { return matrixType }
    let eighth = layerCount / 8
    let needsMore = layer < eighth || layer >= 7 * layerCount / 8 || (layer - eighth) % 3 == 2
    return needsMore ? .known(14) : matrixType
  }

  /// Whether this is no quantisation: all that Hugging Face folders can hold.
  public var isFloat: Bool {
    switch self {
    case .f32, .f16, .bf16: true
    default: false
    }
  }
}

extension TensorType {
  /// A type whose number is in the table of types for certain.
  static func known(_ id: UInt32) -> TensorType {
    guard let type = ggml(id) else { preconditionFailure("type \(id) is in the table") }
    return type
  }

  /// The type for rows that are no whole number of blocks of this one.
  var fallback: TensorType {
    switch ggmlID {
    case 12: .known(6)  // Q4_K to Q5_0
    case 13: .known(7)  // Q5_K to Q5_1
    case 14: .known(8)  // Q6_K to Q8_0
    default: .f16
    }
  }
}
