import BlockwiseConversion
import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// Damaged models are converted or refused with an error; nothing traps, and nothing is left at the output.
@Suite struct DamageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func convert(_ path: String, _ container: ConversionOptions.Container, seed: UInt64) {
    let output = folder.path + "/out" + (container == .gguf ? ".gguf" : "")
    do {
      let options = ConversionOptions(format: .f16, container: container)
      _ = try ModelConverter(try ModelSource(path: path), options: options).convert(to: output)
      // What was written is a model again.
      _ = try ModelSource(path: output)
    } catch {
      #expect(FileIdentity(output) == nil, "seed \(seed): \(error)")
    }
    try? FileManager.default.removeItem(atPath: output)
  }

  @Test func `damaged GGUF files are converted or refused`() throws {
    let path = SharedData.packageFolder + "/Tests/Fixtures/gguf/llama/llama-F16.gguf"
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    for seed in UInt64(0)..<250 {
      var random = SplitMix(seed: seed)
      // The header is where damage can do anything but change a weight.
      let end = Int.random(in: 24..<24000, using: &random)
      let file = try folder.write("in.gguf", random.damaged(Array(bytes[..<end])) + bytes[end...])
      convert(file, .gguf, seed: seed)
      convert(file, .hf, seed: seed)
    }
    #expect(try folder.names() == ["in.gguf"])
  }

  @Test(arguments: ["llama", "mistral", "qwen3"])
  func `damaged folders are converted or refused`(name: String) throws {
    let source = SharedData.packageFolder + "/Tests/Fixtures/models/" + name
    let copy = folder.path + "/in"
    try FileManager.default.copyItem(atPath: source, toPath: copy)
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: source + "/" + file)))
      for seed in UInt64(0)..<80 {
        var random = SplitMix(seed: seed)
        try folder.write("in/" + file, random.damaged(bytes))
        convert(copy, .gguf, seed: seed)
      }
      try folder.write("in/" + file, bytes)
    }
    #expect(try folder.names() == ["in"])
  }

  @Test func `damaged importance matrices are used or refused`() throws {
    var builder = GGUFBuilder()
    builder.metadata = [("general.architecture", .string("llama"))]
    builder.tensors = [
      .init("blk.0.attn_q.weight", type: 0, dimensions: [32, 2], bytes: [UInt8](repeating: 1, count: 256))
    ]
    let model = try folder.write("in.gguf", builder.bytes())
    var list: [UInt8] =
      [1, 0, 0, 0, 19, 0, 0, 0] + Array("blk.0.attn_q.weight".utf8) + [4, 0, 0, 0, 32, 0, 0, 0]
    list += (0..<32).flatMap { withUnsafeBytes(of: Float($0).bitPattern.littleEndian, Array.init) }
    for seed in UInt64(0)..<300 {
      var random = SplitMix(seed: seed)
      var options = ConversionOptions(format: .q4_0, replacesOutput: true)
      options.importancePath = try folder.write("matrix.dat", random.damaged(list))
      let converter = ModelConverter(try ModelSource(path: model), options: options)
      do {
        _ = try converter.convert(to: folder.path + "/out.gguf")
      } catch {
        #expect(error is ConversionError || error is ModelFileError, "seed \(seed): \(error)")
      }
    }
  }
}
