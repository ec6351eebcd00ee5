import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// Whether the weights of models meet kernels that were written for them.
@Suite(.enabled(if: CommandLineTool.isBuilt, "the program blockwise is missing"))
struct WeightPathTests {
  static let model = CommandLineTool.packageFolder + "/Models/base/base.gguf"

  /// Whether the machine runs the AVX2 kernels.
  static let hasAVX2: Bool = {
    let output = try? CommandLineTool.run(["inspect", model], environment: ["BLOCKWISE_KERNELS": "avx2"])
    // Variants that cannot run are refused as a mistake of usage; anything else is for the test to find.
    return output?.code != 64
  }()

  /// Bytes of weights in products, per path.
  private func byteCounts(_ path: String, kernels: String) throws -> [String: Int] {
    let output = try CommandLineTool.run(
      ["inspect", path, "--json"], environment: ["BLOCKWISE_KERNELS": kernels])
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    #expect(try json.string("kernels") == kernels)
    var counts: [String: Int] = [:]
    for share in try json.array("weight_paths") {
      counts[try share.string("path"), default: 0] += try share.integer("memory_bytes")
    }
    return counts
  }

  @Test(.enabled(if: hasAVX2, "this machine has no AVX2"))
  func `at most one weight of a hundred of the shipped model is computed without vectors`() throws {
    let counts = try byteCounts(Self.model, kernels: "avx2")
    let total = counts.values.reduce(0, +)
    #expect(total > 1_000_000)
    #expect(Double(total - counts["vector", default: 0]) <= 0.01 * Double(total), "\(counts)")
  }

  @Test func `the reference kernels have no vectors, and every tensor is named`() throws {
    let counts = try byteCounts(Self.model, kernels: "scalar")
    #expect(counts["scalar", default: 0] > 1_000_000 && counts.count == 1, "\(counts)")
    let output = try CommandLineTool.run(
      ["inspect", Self.model, "--json"], environment: ["BLOCKWISE_KERNELS": "scalar"])
    let fallbacks = try output.json().array("fallbacks").map { try $0.string("name") }
    let file = try GGUFFile(path: Self.model)
    let matrices = try file.names.filter { try file.tensor(named: $0).shape.count > 1 }
    #expect(fallbacks == matrices)
    // In text a line for every type, not one for every tensor.
    let text = try CommandLineTool.run(["inspect", Self.model], environment: ["BLOCKWISE_KERNELS": "scalar"])
    #expect(text.text.contains("fallback") && text.text.contains("computed without vectors"))
    #expect(text.text.split(separator: "\n").count < 40)
  }
}
