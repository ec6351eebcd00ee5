/// One tensor of a file: its description, and its bytes where the file is mapped.
public struct TensorView: Sendable {
  /// The name in the file.
  public let name: String
  /// How the elements are stored.
  public let type: TensorType
  /// Dimensions in row-major order, outermost first: a weight matrix is `[outputs, inputs]`, whatever the file's
  /// own convention. A scalar has none.
  public let shape: [Int]

  private let mapping: MappedFile
  private let range: Range<Int>

  init(name: String, type: TensorType, shape: [Int], mapping: MappedFile, range: Range<Int>) {
    self.name = name
    self.type = type
    self.shape = shape
    self.mapping = mapping
    self.range = range
  }

  /// The file that holds the tensor.
  public var file: String { mapping.path }

  /// The stored bytes, valid while this view (or a copy, or the file it came from) is alive.
  ///
  /// GGUF aligns them; in safetensors they may start at any address.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes[range]) }

  /// How many bytes the tensor takes.
  public var byteCount: Int { range.count }

  /// How many elements the tensor has.
  public var elementCount: Int { shape.reduce(1, *) }  // checked when the file was opened

  /// One element along the outermost dimension, such as one expert of `[experts, rows, columns]`.
  ///
  /// - Precondition: `index` is within that dimension.
  package func part(_ index: Int) -> TensorView {
    precondition(!shape.isEmpty && shape[0] > index && index >= 0, "part \(index) of \(shape)")
    let size = range.count / shape[0]  // blocks never cross rows, so parts are equal
    let start = range.lowerBound + index * size
    return TensorView(
      name: name, type: type, shape: Array(shape.dropFirst()), mapping: mapping, range: start..<start + size)
  }

  /// Gives the memory of the tensor's pages back to the system; the bytes stay readable, at the cost of reading the
  /// file again.
  public func release() { mapping.release(range) }

  /// Gives the memory of some of the tensor's pages back, counted in bytes from its start.
  public func release(bytes: Range<Int>) {
    let part = bytes.clamped(to: 0..<range.count)
    mapping.release(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
  }

  /// Asks the system to read the tensor ahead.
  public func willNeed() { mapping.willNeed(range) }
}
