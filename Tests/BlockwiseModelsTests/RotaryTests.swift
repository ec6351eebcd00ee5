import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Frequencies of every rope type against the reference's tables.
@Suite struct RotaryTests {
  @Test(.enabled(if: SharedData.isAvailable, "needs ../shared/data"))
  func `inverse frequencies and cosines of every rope type are the reference's`() throws {
    let root = try JSONValue(parsing: SharedData.bytes("parity/rope/rope.json"))
    var checked = 0
    for item in try root.array("cases") {
      let name = try item.string("name")
      let dimension = try item.integer("head_dim")
      let maximum = try item.integer("max_position_embeddings")
      let rope = try #require(try item.value("rope"))
      let configuration = try Self.configuration(rope, dimension: dimension, maximum: maximum)
      let longest = try item.integer("longest_position") + 1
      let found = configuration.inverseFrequencies(contextLength: longest)
      let expected = try item.array("inv_freq").compactMap(\.numberValue)
      #expect(found.count == expected.count, "\(name)")
      for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-6 * b, "\(name): \(a) and \(b)") }
      #expect(abs(configuration.attentionFactor - (try item.number("attention_factor"))) < 1e-9, "\(name)")
      for (position, cosines) in zip(try item.array("positions"), try item.array("cos")) {
        let position = try #require(position.numberValue)
        for (pair, cosine) in try #require(cosines.arrayValue).enumerated() {
          let value = cos(position * found[pair]) * configuration.attentionFactor
          let bound = 1e-5 + 2e-7 * position
          #expect(
            abs(value - (try #require(cosine.numberValue))) <= bound, "\(name) at \(position), pair \(pair)")
        }
      }
      checked += 1
    }
    #expect(checked >= 10)
  }

  @Test func `ntk scaling raises the base for every context`() throws {
    let plain = try Self.configuration(
      ["rope_type": "default", "rope_theta": 10_000], dimension: 64, maximum: 2048)
    let scaled = try Self.configuration(
      ["rope_type": "ntk", "rope_theta": 10_000, "factor": 4], dimension: 64, maximum: 2048)
    // θ' = θ · s^(d / (d − 2)): the fastest pair stays, the slowest turns s times slower.
    let (a, b) = (plain.inverseFrequencies(contextLength: 64), scaled.inverseFrequencies(contextLength: 64))
    #expect(a[0] == b[0])
    #expect(abs(a[31] / b[31] - 4) < 1e-9)
  }

  static func configuration(_ rope: JSONValue, dimension: Int, maximum: Int) throws -> RotaryConfiguration {
    var object = JSONObject()
    object["rope_parameters"] = rope
    return try ConfigReader(.object(object), file: "rope.json").rotary(
      headDimension: dimension, contextLength: maximum)
  }
}
