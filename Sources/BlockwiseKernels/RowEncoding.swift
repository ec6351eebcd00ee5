internal import CBlockwiseKernels

/// Formats of files that rows of numbers can be rounded to.
///
/// Raw values are ggml type numbers. Rows are independent: callers split a matrix over threads as they like and get
/// the same bytes.
///
/// The plain block types (Q8_0, Q4_0, Q4_1, Q5_0, Q5_1) without importance give the bytes of ggml's reference. The
/// others, and the plain ones but Q8_0 with importance, minimise Σ importance · (x − rounded x)² of every block by a
/// search over its scales with weighted least squares.
package enum RowEncoding: UInt32, Sendable, Hashable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case iq4_NL = 20
  case bf16 = 30

  /// Elements that share one block (1 for the plain float formats).
  package var blockElementCount: Int { weightFormat?.blockElementCount ?? bw_block_elements(kernelType) }

  /// Bytes of one block.
  package var blockByteCount: Int { weightFormat?.blockByteCount ?? bw_block_bytes(kernelType) }

  /// Bytes of one row of `elementCount` elements, or nil when the row is no whole number of blocks or overflows.
  package func rowByteCount(elementCount: Int) -> Int? {
    guard elementCount >= 0, elementCount % blockElementCount == 0 else { return nil }
    let (bytes, overflow) = (elementCount / blockElementCount)
      .multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  /// The usual name, as llama.cpp prints it.
  package var name: String { "\(self)".uppercased() }

  /// Whether the importance of columns changes the result.
  package var usesImportance: Bool {
    switch self {
    case .f32, .f16, .bf16, .q8_0: false
    case .q4_0, .q4_1, .q5_0, .q5_1, .q4_K, .q5_K, .q6_K, .iq4_NL: true
    }
  }

  /// Why rows could not be rounded. `row` counts from the first row given.
  package enum Failure: Error, Hashable {
    /// A number is NaN or infinite.
    case nonFinite(row: Int)
    /// A number is too large for the format, such as 70000 for the half-precision scale of a block.
    case outOfRange(row: Int)
  }

  /// Rounds whole rows.
  ///
  /// - Parameters:
  ///   - values: rows of `columnCount` numbers, one after the other; a whole number of rows.
  ///   - columnCount: positive, a multiple of ``blockElementCount``.
  ///   - importance: weights of the columns' squared errors, `columnCount` finite numbers that are not negative; nil
  ///     weighs all alike. Only ratios within a block count, down to a millionth of its heaviest column; a block whose
  ///     columns all weigh nothing is rounded as if they weighed alike.
  ///   - output: ``rowByteCount(elementCount:)`` bytes for every row. After a failure its contents mean nothing.
  package func encode(
    _ values: UnsafeBufferPointer<Float>, columnCount: Int, importance: UnsafeBufferPointer<Float>? = nil,
    into output: UnsafeMutableRawBufferPointer
  ) throws(Failure) {
    precondition(
      columnCount > 0 && values.count % columnCount == 0, "\(values.count) numbers in rows of \(columnCount)")
    let rowCount = values.count / columnCount
    guard let rowByteCount = rowByteCount(elementCount: columnCount) else {
      preconditionFailure("rows of \(columnCount) numbers are no whole blocks of \(name)")
    }
    precondition(
      output.count == rowCount * rowByteCount, "\(output.count) bytes for \(rowCount) rows of \(rowByteCount)"
    )
    if let importance {
      precondition(
        importance.count == columnCount && importance.allSatisfy { $0 >= 0 && $0.isFinite },
        "importance must be \(columnCount) finite numbers that are not negative")
    }
    guard let source = values.baseAddress, let target = output.baseAddress else { return }
    for row in 0..<rowCount {
      let status = bw_encode_row(
        kernelType, source + row * columnCount, columnCount, importance?.baseAddress,
        target + row * rowByteCount)
      switch status {
      case 0: continue
      case 1: throw .nonFinite(row: row)
      default: throw .outOfRange(row: row)
      }
    }
  }

  private var weightFormat: WeightFormat? { WeightFormat(rawValue: rawValue) }

  private var kernelType: Int32 { Int32(bitPattern: rawValue) }
}
