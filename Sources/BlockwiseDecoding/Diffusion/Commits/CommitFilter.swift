internal import BlockwiseFiles
import Foundation

/// The network of Learn2PD (arXiv 2509.25188): from the probabilities of a block's predictions to whether each of them is final
/// already. Two layers as wide as the block with a ReLU between them; 2,112 numbers for blocks of 32.
public struct CommitFilter: Sendable, Hashable {
  /// Slots of the blocks that it was trained on.
  public let blockSize: Int
  /// f32 `[blockSize, blockSize]` row-major, `[blockSize]`, and the same of the second layer.
  public var parameters: [Float]

  /// Numbers of a filter for blocks of a size.
  public static func parameterCount(blockSize: Int) -> Int { 2 * (blockSize * blockSize + blockSize) }

  /// A filter from its numbers.
  public init(blockSize: Int, parameters: [Float]) {
    precondition(
      parameters.count == Self.parameterCount(blockSize: blockSize),
      "\(parameters.count) numbers for blocks of \(blockSize)")
    self.blockSize = blockSize
    self.parameters = parameters
  }

  /// The logits of "this prediction is final", one per slot.
  /// - Parameter probabilities: one per slot; absent slots count as 1.
  public func logits(_ probabilities: [Float]) -> [Float] {
    let n = blockSize
    let input = (0..<n).map { $0 < probabilities.count ? probabilities[$0] : 1 }
    let inner = layer(input, from: 0).map { max(0, $0) }
    return layer(inner, from: n * n + n)
  }

  private func layer(_ input: [Float], from start: Int) -> [Float] {
    let n = blockSize
    return (0..<n).map { row in
      var sum = parameters[start + n * n + row]
      for column in 0..<n { sum += parameters[start + row * n + column] * input[column] }
      return sum
    }
  }

  /// Slots of the largest blocks that a filter is made for.
  public static let maximumBlockSize = 1024

  /// Refuses sizes that no filter file has.
  /// - Throws: ``ModelFileError``.
  package static func check(blockSize: Int, path: String) throws {
    guard (1...maximumBlockSize).contains(blockSize) else {
      throw ModelFileError.tensorShape(
        name: "filter.0.weight", expected: [maximumBlockSize, maximumBlockSize],
        found: [blockSize, blockSize],
        file: path)
    }
  }

  // MARK: Files

  /// Reads a file of tensors `filter.0.weight` and so on, as ``write(to:metadata:)`` writes it.
  /// - Throws: ``ModelFileError``.
  public init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    guard file.contains("filter.0.weight") else {
      throw ModelFileError.unsupported(
        path: path,
        reason: "it is no filter; tune commit --filter writes one, of tensors filter.0.weight and so on")
    }
    let first = try file.tensor(named: "filter.0.weight")
    guard first.shape.count == 2, first.shape[0] == first.shape[1],
      (1...Self.maximumBlockSize).contains(first.shape[0])
    else {
      throw ModelFileError.tensorShape(
        name: "filter.0.weight", expected: [32, 32], found: first.shape, file: path)
    }
    let n = first.shape[0]
    var numbers: [Float] = []
    for (name, shape) in Self.tensors(n) {
      let view = try file.tensor(named: name)
      guard view.shape == shape else {
        throw ModelFileError.tensorShape(name: name, expected: shape, found: view.shape, file: path)
      }
      guard view.type == .f32 else {
        throw ModelFileError.tensorType(name: name, found: view.type.name, supported: ["F32"], file: path)
      }
      for index in 0..<view.elementCount {
        let number = view.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        guard number.isFinite else {
          throw ModelFileError.tensorRange(name: name, problem: "it holds \(number)", file: path)
        }
        numbers.append(number)
      }
    }
    self.init(blockSize: n, parameters: numbers)
  }

  /// Writes the filter as safetensors.
  public func write(to path: String, metadata: [String: String] = [:]) throws {
    var writer = SafetensorsWriter(
      metadata: ["block": "\(blockSize)", "activation": "relu"].merging(metadata) { $1 })
    var start = 0
    for (name, shape) in Self.tensors(blockSize) {
      let count = shape.reduce(1, *)
      try writer.append(name, shape: shape, floats: Array(parameters[start..<start + count]))
      start += count
    }
    try writer.write(to: path)
  }

  private static func tensors(_ n: Int) -> [(String, [Int])] {
    [
      ("filter.0.weight", [n, n]), ("filter.0.bias", [n]), ("filter.2.weight", [n, n]),
      ("filter.2.bias", [n]),
    ]
  }
}
