import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// GGUF files of every format, also of block types that become another in memory: f32 arithmetic over dequantised weights
/// is judged by the strict bound, int8 activations by the normalised squared error that simulated int8 activations show.
@Suite struct GGUFParityTests {
  struct File: Sendable, CustomTestStringConvertible {
    var folder: String
    var name: String
    var testDescription: String { name }
  }

  static let files: [File] = {
    var folders = ["llama", "qwen2"].map { ParityFixture.fixtureRoot + "/gguf/" + $0 }
    if let root = SharedData.root {
      folders += ["llama", "qwen2", "qwen3"].map { "\(root)/parity/gguf/\($0)" }
    }
    return folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .filter { $0.hasSuffix(".gguf") }
        .map { File(folder: folder, name: $0) }
    }
  }()

  static func entry(_ file: File) throws -> JSONValue {
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(file.folder)/expected.json")))
    let entries = try JSONValue(parsing: bytes).array("files")
    return try #require(entries.first { $0.objectValue?["file"]?.stringValue == file.name })
  }

  static func logits(
    _ file: File, _ compute: ModelLoadOptions.Compute, _ tokens: [TokenID], keepsBlocks: Bool = false
  ) async throws -> [Float] {
    let model = try DecoderModel.load(
      ModelSource(path: "\(file.folder)/\(file.name)"),
      options: ModelLoadOptions(compute: compute, cacheFormat: .f32, threadCount: 2, keepsBlocks: keepsBlocks)
    )
    let logits = try await ParityTests.logits(model, tokens, pieces: [tokens.count])
    return logits.flatMap { $0 }
  }

  @Test(arguments: files)
  func `logits of a GGUF file are the reference's in f32, and close with int8 activations`(_ file: File)
    async throws
  {
    let entry = try Self.entry(file)
    let tokens = try entry.array("input_ids").compactMap(\.integerValue).map { TokenID($0) }
    let expected = try ExpectedTensors(path: "\(file.folder)/expected.safetensors")
      .values(entry.string("logits"))
    let exact = try await Self.logits(file, .f32, tokens)
    #expect(exact.count == expected.count)
    let difference = relativeDifference(exact, expected)
    #expect(difference <= ParityTests.bound, "\(file.name): \(difference)")

    let kept = try await Self.logits(file, .f32, tokens, keepsBlocks: true)
    #expect(kept == exact, "blocks decoded in every pass")

    let rounded = try await Self.logits(file, .auto, tokens)
    var error = 0.0
    var scale = 0.0
    for (a, b) in zip(rounded, expected) {
      error += Double(a - b) * Double(a - b)
      scale += Double(b) * Double(b)
    }
    #expect(error / scale <= 3e-3, "\(file.name): normalised squared error \(error / scale)")
  }

  @Test(arguments: files)
  func `greedy ids of a GGUF file are the reference's in f32`(_ file: File) async throws {
    guard let greedy = try Self.entry(file).value("greedy") else { return }
    let model = try DecoderModel.load(
      ModelSource(path: "\(file.folder)/\(file.name)"),
      options: ModelLoadOptions(compute: .f32, threadCount: 1))
    for item in greedy.arrayValue ?? [greedy] {
      var tokens = try item.array("prompt_ids").compactMap(\.integerValue).map { TokenID($0) }
      let expected = try item.array("new_ids").compactMap(\.integerValue).map { TokenID($0) }
      let cache = try model.makeCache()
      let result = BlockResultBuffer()
      let promptCount = tokens.count
      while tokens.count < promptCount + expected.count {
        let start = try cache.committedCount
        try await model.forward(
          [SequencePass(plan: BlockPlan(tokens: tokens[start...], at: start), cache: cache)], into: result)
        tokens.append(result.statistics(output: 0).top)
      }
      #expect(Array(tokens[promptCount...]) == expected)
    }
  }

  @Test(arguments: files)
  func `embedding rows of a GGUF file are dequantised exactly`(_ file: File) async throws {
    let entry = try Self.entry(file)
    let label = try entry.string("label")
    guard let rows = try entry.value("rows")?.objectValue else { return }
    let gguf = try GGUFFile(path: "\(file.folder)/\(file.name)")
    let expected = try ExpectedTensors(path: "\(file.folder)/expected.safetensors")
    for (name, indices) in rows {
      let view = try gguf.tensor(named: name)
      guard view.shape.count == 2 else { continue }
      let values = try expected.values("\(label).\(name).rows")
      let columns = view.shape[1]
      let rowBytes = try #require(view.type.byteCount(elementCount: columns))
      for (index, row) in (indices.arrayValue ?? []).compactMap(\.integerValue).enumerated() {
        let found = view.type.floats(Array(view.bytes[row * rowBytes..<(row + 1) * rowBytes]))
        #expect(found == Array(values[index * columns..<(index + 1) * columns]), "\(name) row \(row)")
      }
    }
  }
}
