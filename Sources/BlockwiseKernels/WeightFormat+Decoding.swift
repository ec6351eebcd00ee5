internal import CBlockwiseKernels

extension WeightFormat {
  /// The f32 values of elements in blocks: the definition every kernel is tested against.
  ///
  /// - Parameters:
  ///   - source: `rowByteCount(elementCount:)` bytes.
  ///   - elementCount: a whole number of blocks.
  ///   - output: room for `elementCount` floats.
  package func decode(
    _ source: UnsafeRawPointer, elementCount: Int, into output: UnsafeMutablePointer<Float>
  ) {
    precondition(
      elementCount >= 0 && elementCount % blockElementCount == 0,
      "\(elementCount) elements of \(name) are no whole number of blocks")
    bw_decode(kernelFormat, source, elementCount, output)
  }

  var kernelFormat: Int32 { Int32(bitPattern: rawValue) }
}
