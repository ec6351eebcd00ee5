internal import CBlockwiseKernels

/// Block types of GGUF that no kernel computes with: their weights become ``residentFormat`` while they load, exactly.
///
/// Raw values are ggml type numbers, so a GGUF tensor type converts by raw value. Blocks hold 32, 64, 128 or 256
/// elements of one row: half-precision scales, codes of a few bits, and for the types of 256 elements scales of
/// their parts.
public enum StoredBlockFormat: UInt32, Sendable, Hashable, CaseIterable {
  /// 32 codes of 4 bits, `d · q + m`.
  case q4_1 = 3
  /// 32 codes of 5 bits, `d · (q − 16)`.
  case q5_0 = 6
  /// 32 codes of 5 bits, `d · q + m`.
  case q5_1 = 7
  /// 256 codes of 2 bits; scales and minima of 4 bits for every 16.
  case q2_K = 10
  /// 256 codes of 3 bits; scales of 6 bits for every 16.
  case q3_K = 11
  /// 256 elements as points of a grid of 256 with signs, 2.06 bits each.
  case iq2_XXS = 16
  /// 256 elements as points of a grid of 512 with signs, 2.31 bits each.
  case iq2_XS = 17
  /// 256 elements as points of a grid of 256 with signs, 3.06 bits each.
  case iq3_XXS = 18
  /// 256 elements as ternary points of a grid of 2048, 1.56 bits each.
  case iq1_S = 19
  /// 32 codes of 4 bits into a table of 16 values.
  case iq4_NL = 20
  /// 256 elements as points of a grid of 512 with signs, 3.44 bits each.
  case iq3_S = 21
  /// 256 elements as points of a grid of 1024 with signs, 2.56 bits each.
  case iq2_S = 22
  /// 256 codes of 4 bits into the table of IQ4_NL; scales of 6 bits for every 32.
  case iq4_XS = 23
  /// 256 elements as ternary points of a grid of 2048, 1.75 bits each.
  case iq1_M = 29
  /// 256 ternary elements, five to a byte.
  case tq1_0 = 34
  /// 256 ternary elements of 2 bits.
  case tq2_0 = 35
  /// 32 numbers of E2M1 under a power of two.
  case mxfp4 = 39
  /// 64 numbers of E2M1; scales of E4M3 for every 16.
  case nvfp4 = 40
  /// 128 signs.
  case q1_0 = 41
  /// 64 codes of 2 bits, `d · (q − 1)`.
  case q2_0 = 42

  /// The format that the weights have in memory: Q8_0 or Q4_0 where blocks are one half-precision scale times small
  /// integers, I4M or I5M where they have minima, else I4. It takes more bytes than the file's blocks.
  public var residentFormat: WeightFormat {
    // The number is of one of these formats, so the last is never a guess.
    WeightFormat(rawValue: UInt32(bitPattern: bw_resident_format(kernelType))) ?? .i4
  }

  /// Elements that share one block.
  public var blockElementCount: Int { bw_block_elements(kernelType) }

  /// Bytes of one block as stored in a file.
  public var blockByteCount: Int { bw_block_bytes(kernelType) }

  /// Bytes of one row of `elementCount` elements, or nil when the row is no whole number of blocks or overflows.
  public func rowByteCount(elementCount: Int) -> Int? {
    guard elementCount >= 0, elementCount % blockElementCount == 0 else { return nil }
    let (bytes, overflow) = (elementCount / blockElementCount)
      .multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  /// The usual name, as llama.cpp prints it.
  public var name: String { "\(self)".uppercased() }

  /// The f32 values of elements as stored in a file: the definition of the type.
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
    bw_decode_blocks(kernelType, source, elementCount, output)
  }

  var kernelType: Int32 { Int32(bitPattern: rawValue) }
}
