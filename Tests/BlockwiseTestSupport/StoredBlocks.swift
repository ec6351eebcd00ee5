public import BlockwiseFiles

extension SplitMix {
  /// Blocks of random bytes, those left out whose values are not finite or larger than `bound`.
  public mutating func blocks(_ type: TensorType, count: Int, bound: Float = .greatestFiniteMagnitude)
    -> [UInt8]
  {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * type.blockByteCount)
    while bytes.count < count * type.blockByteCount {
      let block = (0..<type.blockByteCount).map { _ in UInt8(next() >> 56) }
      if type.floats(block).allSatisfy({ abs($0) <= bound }) { bytes += block }
    }
    return bytes
  }
}

extension TensorType {
  /// The f32 values of stored bytes; none if the type is not decodable or the bytes are no whole number of blocks.
  public func floats(_ bytes: [UInt8]) -> [Float] {
    guard isDecodable, bytes.count % blockByteCount == 0 else { return [] }
    let count = bytes.count / blockByteCount * blockElementCount
    var values = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes {
      if let source = $0.baseAddress { _ = decode(source, elementCount: count, into: &values) }
    }
    return values
  }
}
