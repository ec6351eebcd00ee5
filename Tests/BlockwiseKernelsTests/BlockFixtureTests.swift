import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

/// Just enough of the safetensors layout for the fixture: a length, a JSON header, the bytes.
struct FixtureTensors {
  let bytes: [UInt8]
  let start: Int
  let header: [String: Any]

  init(_ path: String) throws {
    bytes = try SharedData.bytes(path)
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    start = 8 + length
    header = try #require(
      JSONSerialization.jsonObject(with: Data(bytes[8..<start])) as? [String: Any])
  }

  func tensor(_ name: String) throws -> [UInt8] {
    let entry = try #require(header[name] as? [String: Any])
    let offsets = try #require(entry["data_offsets"] as? [Int])
    return Array(bytes[start + offsets[0]..<start + offsets[1]])
  }

  func floats(_ name: String) throws -> [Float] {
    try tensor(name).withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}

@Suite struct BlockFixtureTests {
  @Test(.enabled(if: SharedData.isAvailable), arguments: [WeightFormat.q4_0, .q8_0, .q4_K, .q5_K, .q6_K])
  func `reference blocks decode exactly`(format: WeightFormat) throws {
    let tensors = try FixtureTensors("parity/gguf/blocks.safetensors")
    let raw = try tensors.tensor("\(format.name).raw")
    let expected = try tensors.floats("\(format.name).values")
    #expect(raw.count / format.blockByteCount * format.blockElementCount == expected.count)
    #expect(bits(decoded(raw, count: expected.count, as: format)) == bits(expected))
  }

  /// The fixture has no blocks of these.
  static let absent: Set<StoredBlockFormat> = [.iq1_M, .nvfp4, .q1_0, .q2_0]

  @Test(
    .enabled(if: SharedData.isAvailable),
    arguments: StoredBlockFormat.allCases.filter { !absent.contains($0) })
  func `reference blocks of types without a kernel decode exactly`(format: StoredBlockFormat) throws {
    let tensors = try FixtureTensors("parity/gguf/blocks.safetensors")
    let raw = try tensors.tensor("\(format.name).raw")
    let expected = try tensors.floats("\(format.name).values")
    #expect(raw.count / format.blockByteCount * format.blockElementCount == expected.count)
    var values = [Float](repeating: .nan, count: expected.count)
    try raw.withUnsafeBytes {
      format.decode(try #require($0.baseAddress), elementCount: expected.count, into: &values)
    }
    #expect(values == expected)
  }

  @Test(.enabled(if: SharedData.isAvailable))
  func `rounding to bfloat16 agrees with the reference`() throws {
    let tensors = try FixtureTensors("parity/gguf/blocks.safetensors")
    let input = try tensors.floats("quantize.input")
    #expect(try encoded(input, as: .bf16) == tensors.tensor("quantize.BF16"))
  }
}
