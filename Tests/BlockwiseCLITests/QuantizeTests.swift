import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "the program blockwise is missing"))
struct QuantizeTests {
  let folder: TemporaryFolder
  static let model = CommandLineTool.packageFolder + "/Tests/Fixtures/gguf/llama/llama-F16.gguf"

  init() throws { folder = try TemporaryFolder() }

  @Test func `quantize writes a file that runs and reports its types`() throws {
    let out = folder.path + "/q8.gguf"
    let output = try CommandLineTool.run(["quantize", Self.model, out, "--format", "q8_0", "--json"])
    #expect(output.code == 0, "\(output.errors)")
    let report = try output.json()
    #expect(try report.string("out") == out)
    #expect(try report.string("container") == "gguf")
    let file = try GGUFFile(path: out)
    #expect(try report.array("tensors").count == file.names.count)
    #expect(try report.integer("bytes_after") == file.byteCount)
    #expect(try report.array("types").compactMap { try $0.string("name") }.sorted() == ["F32", "Q8_0"])
    let inspected = try CommandLineTool.run(["inspect", out, "--json"])
    #expect(try inspected.json().bool("supported"))
    let text = try CommandLineTool.run(["quantize", Self.model, folder.path + "/t.gguf", "-f", "q4_0"])
    #expect(text.code == 0 && text.text.contains("Q4_0:"), "\(text.text)\(text.errors)")
  }

  @Test func `a folder becomes a file, and its result is the same`() throws {
    let model = try #require(CommandLineTool.model("qwen2"))
    let out = folder.path + "/qwen2.gguf"
    let output = try CommandLineTool.run(["quantize", model, out, "-f", "f32"])
    #expect(output.code == 0, "\(output.errors)")
    let texts = try [model, out].map { path in
      try CommandLineTool.run([
        "generate", "--model", path, "--max-tokens", "12", "--temperature", "0", "--compute", "f32",
        "Once upon a time",
      ])
    }
    #expect(texts[0].code == 0 && texts[0].bytes == texts[1].bytes, "\(texts[1].errors)")
  }

  @Test func `what cannot be done is refused with its exit code, and nothing is written`() throws {
    let there = try folder.write("there.gguf", "old")
    for (arguments, code, word) in [
      ([Self.model, there, "-f", "q8_0"], Int32(1), "--force"),
      ([Self.model, Self.model, "-f", "q8_0", "--force"], 1, "itself"),
      ([Self.model, folder.path + "/a.gguf", "-f", "q9"], 64, "q9"),
      // A format of memory, which no file has.
      ([Self.model, folder.path + "/a.gguf", "-f", "i4m"], 64, "i4m"),
      ([Self.model, folder.path + "/a.gguf"], 64, "--format"),
      ([Self.model, folder.path + "/folder", "-f", "q8_0"], 64, "f32, f16 or bf16"),
      ([Self.model, folder.path + "/a.gguf", "-f", "f16", "--tensor-type", "attn_v"], 64, "attn_v"),
      ([Self.model, folder.path + "/a.gguf", "-f", "f16", "--tensor-type", "nothing=f32"], 1, "nothing"),
      ([Self.model, folder.path + "/no/a.gguf", "-f", "f16"], 1, "cannot be written"),
      ([folder.path + "/absent", folder.path + "/a.gguf", "-f", "f16"], 1, "absent"),
    ] {
      let output = try CommandLineTool.run(["quantize"] + arguments)
      #expect(output.code == code, "\(arguments): \(output.errors)")
      #expect(output.errors.contains(word), "\(arguments): \(output.errors)")
    }
    #expect(try folder.names() == ["there.gguf"])
    #expect(try String(contentsOfFile: there, encoding: .utf8) == "old")
  }

  @Test func `a disk that is full is an error and leaves nothing behind`() throws {
    // A limit on the size of files fails writes as a full disk does.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    let path = try #require(CommandLineTool.path)
    process.arguments = [
      "-c", "ulimit -f 100; exec \"$0\" quantize \"$1\" \"$2\" -f f32", path, Self.model,
      folder.path + "/a.gguf",
    ]
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 1 && message.contains("a.gguf: cannot be written"), "\(message)")
    #expect(try folder.names() == [])
  }
}
