import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// A checkpoint with expected logits in the format `parity/1`.
struct ParityFixture: Sendable, CustomTestStringConvertible {
  let folder: String
  var testDescription: String { folder.split(separator: "/").suffix(3).joined(separator: "/") }

  struct Case: Sendable {
    var name: String
    var kind: String
    var tokens: [TokenID]
    var positions: [Int32]
    var prefix: [TokenID]
    var parents: [Int]
    var block: Int?
    var causalUntil: Int?
    var logits: String
    var hidden: [String]
    /// `short` or `long` where the positions of a case decide the rotary factors (longrope).
    var ropeFactors: String?
  }

  func expected() throws -> JSONValue {
    try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: "\(folder)/expected.json"))))
  }

  func tensors() throws -> ExpectedTensors { try ExpectedTensors(path: "\(folder)/expected.safetensors") }

  func cases() throws -> [Case] {
    try expected().array("cases").map { value in
      Case(
        name: try value.string("name"), kind: try value.string("kind"),
        tokens: try tokens(value, "input_ids"), positions: try ints(value, "positions").map(Int32.init),
        prefix: try tokens(value, "prefix_ids"), parents: try ints(value, "parents"),
        block: try value.integerIfPresent("block"), causalUntil: try value.integerIfPresent("causal_until"),
        logits: try value.string("logits"),
        hidden: try value.arrayIfPresent("hidden")?.compactMap(\.stringValue) ?? [],
        ropeFactors: try value.stringIfPresent("rope_factors"))
    }
  }

  func greedy() throws -> [(prompt: [TokenID], new: [TokenID], ropeFactors: String?)] {
    try (expected().arrayIfPresent("greedy") ?? []).map {
      (try tokens($0, "prompt_ids"), try tokens($0, "new_ids"), try $0.stringIfPresent("rope_factors"))
    }
  }

  private func ints(_ value: JSONValue, _ key: String) throws -> [Int] {
    try value.arrayIfPresent(key)?.compactMap(\.integerValue) ?? []
  }

  private func tokens(_ value: JSONValue, _ key: String) throws -> [TokenID] {
    try ints(value, key).map { TokenID($0) }
  }

  /// Our own fixtures, which every clone has, and the shared ones.
  static let all: [ParityFixture] = own + shared
  static let own = folders(in: fixtureRoot + "/models")
  static let shared: [ParityFixture] = SharedData.root.map { folders(in: $0 + "/parity/models") } ?? []

  static let fixtureRoot =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().path + "/Fixtures"

  static func folders(in root: String) -> [ParityFixture] {
    ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted()
      .filter { FileManager.default.fileExists(atPath: "\(root)/\($0)/expected.json") }
      .map { ParityFixture(folder: "\(root)/\($0)") }
  }
}

/// f32 tensors of an expected.safetensors.
struct ExpectedTensors {
  let store: SafetensorsFile

  init(path: String) throws { store = try SafetensorsFile(path: path) }

  func values(_ name: String) throws -> [Float] {
    try store.tensor(named: name).bytes.withMemoryRebound(to: Float.self) { Array($0) }
  }
}

/// The largest difference between two vectors in units of the largest expected value.
func relativeDifference(_ found: some Sequence<Float>, _ expected: some Sequence<Float>) -> Float {
  var difference: Float = 0
  var scale: Float = 0
  for (a, b) in zip(found, expected) {
    difference = max(difference, (a - b).isNaN ? .infinity : abs(a - b))
    scale = max(scale, abs(b))
  }
  return scale == 0 ? difference : difference / scale
}
