import Blockwise
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Damaged checkpoints as a whole: every file of a small model is cut, flipped and lied in, and loading plus a short
/// generation either works or throws; it never traps, hangs or allocates what a file claims.
@Suite struct DamagedCheckpointTests {
  static let fixtures = SharedData.packageFolder + "/Tests/Fixtures"

  static let subjects: [String] = [
    "models/llama", "models/qwen2", "models/mistral", "models/fast-dllm-qwen", "gguf/llama/llama-Q4_0.gguf",
    "gguf/qwen2/qwen2-Q8_0.gguf",
  ]

  @Test(arguments: subjects)
  func `a damaged checkpoint is refused with a typed error or runs`(_ subject: String) async throws {
    let source = "\(Self.fixtures)/\(subject)"
    var isFolder: ObjCBool = false
    try #require(FileManager.default.fileExists(atPath: source, isDirectory: &isFolder))
    let names =
      isFolder.boolValue
      ? try FileManager.default.contentsOfDirectory(atPath: source).filter { !$0.hasPrefix("expected") }
        .sorted()
      : [URL(fileURLWithPath: source).lastPathComponent]
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "blockwise-damage-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let origin = isFolder.boolValue ? source : URL(fileURLWithPath: source).deletingLastPathComponent().path
    for name in names {
      try FileManager.default.copyItem(atPath: "\(origin)/\(name)", toPath: folder.path + "/" + name)
    }
    var refused = 0
    var ran = 0
    for seed in UInt64(1)...400 {
      var random = SplitMix(seed: seed)
      let name = names[Int.random(in: 0..<names.count, using: &random)]
      let path = folder.appendingPathComponent(name)
      let original = try Data(contentsOf: path)
      try Self.damaged([UInt8](original), isJSON: name.hasSuffix(".json"), &random).write(to: path)
      do {
        try await Self.use(folder.path)
        ran += 1
      } catch {
        // The message is made for people: it says something, whatever the damage.
        #expect(!"\(error)".isEmpty, "seed \(seed), \(name)")
        refused += 1
      }
      try original.write(to: path)
    }
    #expect(refused > 50, "\(subject): \(refused) refused, \(ran) ran")
    try await Self.use(folder.path)
  }

  static func use(_ path: String) async throws {
    let model = try await LanguageModel.load(
      path, options: ModelLoadOptions(threadCount: 1, memoryLimit: 64 << 20))
    let tokens: [TokenID] = [1, 2, 3]
    let result = BlockResultBuffer()
    try await model.network.forward(
      [SequencePass(plan: BlockPlan(tokens: tokens, at: 0), cache: try model.network.makeCache())],
      into: result)
    guard model.traits.isAutoregressive else { return }
    _ = try await model.session().complete(
      "Once upon a time", options: GenerationOptions(maximumTokenCount: 3, stopStrings: ["xyzzy"]))
  }

  /// One of: a cut, flipped bits, a byte that is another, a repeated stretch, a number in JSON that lies.
  static func damaged(_ bytes: [UInt8], isJSON: Bool, _ random: inout SplitMix) throws -> Data {
    var bytes = bytes
    switch Int.random(in: 0..<(isJSON ? 6 : 4), using: &random) {
    case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
    case 1:
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let index = Self.place(in: bytes, &random)
        bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
      }
    case 2: bytes[Self.place(in: bytes, &random)] = UInt8.random(in: 0...255, using: &random)
    case 3:
      let start = Int.random(in: 0..<bytes.count, using: &random)
      let end = min(bytes.count, start + Int.random(in: 1...64, using: &random))
      bytes.insert(contentsOf: bytes[start..<end], at: start)
    default:
      let digits = bytes.indices.filter { (48...57).contains(bytes[$0]) }
      guard !digits.isEmpty else { return Data(bytes) }
      let lies = [
        "0", "-1", "1e9", "99999999999999999999", "2147483648", "0.5", "null", "\"x\"", "[]", "1000003",
      ]
      let index = digits[Int.random(in: 0..<digits.count, using: &random)]
      var end = index
      while end < bytes.count, (48...57).contains(bytes[end]) { end += 1 }
      bytes.replaceSubrange(index..<end, with: lies[Int.random(in: 0..<lies.count, using: &random)].utf8)
    }
    return Data(bytes)
  }

  /// Headers are where lies live: half of the damage falls into the first kilobytes.
  private static func place(in bytes: [UInt8], _ random: inout SplitMix) -> Int {
    Int.random(in: 0..<(Bool.random(using: &random) ? min(4096, bytes.count) : bytes.count), using: &random)
  }
}
