import BlockwiseFiles
import BlockwiseTestSupport
import Testing

@Suite struct ModelSourceTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func writeWeights() throws {
    var writer = SafetensorsWriter()
    try writer.append("x", shape: [1], floats: [1])
    try writer.write(to: folder.path + "/model.safetensors")
  }

  private func error(_ path: String? = nil) throws -> String {
    let path = path ?? folder.path
    return try #require(throws: ModelFileError.self) { try ModelSource(path: path) }.description
  }

  @Test func `what is missing is named`() throws {
    #expect(try error(folder.path + "/none").contains("no such file or folder"))
    #expect(try error("/dev/null").contains("neither a folder nor a regular file"))
    #expect(try error().contains("neither config.json nor a GGUF file"))
    try folder.write("config.json", "[]")
    #expect(try error().contains("config.json: key (top): expected an object"))
    try folder.write("config.json", "{\"a\": }")
    #expect(try error().contains("config.json: line 1, column 7"))
    try folder.write("config.json", "{}")
    #expect(try error().contains("neither model.safetensors nor"))
    try folder.write("pytorch_model.bin", "PK")
    #expect(try error().contains("pickled"))
    try writeWeights()
    _ = try ModelSource(path: folder.path)
    #expect(try error(folder.path + "/model.safetensors").contains("give the folder"))
    #expect(try error(folder.path + "/pytorch_model.bin").contains("neither a GGUF file nor"))
    try folder.write("a.gguf", "GGML....")
    #expect(try error(folder.path + "/a.gguf").contains("expected GGUF"))
  }

  @Test func `a folder with one GGUF file is that file`() throws {
    let bytes = GGUFTests.small.bytes()
    try folder.write("a.gguf", bytes)
    guard case .gguf(let file) = try ModelSource(path: folder.path + "//") else {
      Issue.record("not opened as a GGUF file")
      return
    }
    #expect(file.path == folder.path + "/a.gguf")
    try folder.write("b.gguf", bytes)
    #expect(try error().contains("give one: a.gguf, b.gguf"))
  }

  @Test func `token ids come from config.json where generation_config.json is missing`() throws {
    try writeWeights()
    try folder.write("config.json", #"{"eos_token_id": 3, "bos_token_id": null, "pad_token_id": -1}"#)
    var generation = try ModelSource(path: folder.path).generationConfiguration
    #expect(generation.endTokens == [3])
    #expect(generation.beginToken == nil)
    #expect(generation.padToken == nil)
    try folder.write(
      "generation_config.json",
      #"{"eos_token_id": [4, 5, 4], "top_k": 0, "top_p": 1, "min_p": 0.1, "do_sample": true, "max_new_tokens": 9}"#
    )
    generation = try ModelSource(path: folder.path).generationConfiguration
    #expect(generation.endTokens == [4, 5])
    #expect(generation.topK == nil)
    #expect(generation.topP == 1)
    #expect(generation.minP == 0.1)
    #expect(generation.doesSample == true)
    #expect(generation.maximumTokenCount == 9)
  }

  @Test(arguments: [
    #"{"eos_token_id": "</s>"}"#, #"{"eos_token_id": [1, "a"]}"#, #"{"eos_token_id": -2}"#,
    #"{"eos_token_id": 2147483648}"#, #"{"bos_token_id": 1.5}"#, #"{"pad_token_id": {}}"#,
    #"{"temperature": -0.1}"#,
    #"{"temperature": "hot"}"#, #"{"top_p": 1.1}"#, #"{"top_k": -2}"#, #"{"top_k": 2.5}"#, #"{"min_p": -1}"#,
    #"{"repetition_penalty": 0}"#, #"{"max_new_tokens": 0}"#, #"{"do_sample": 1}"#, "[]", "{",
  ])
  func `a wrong generation_config.json is refused by key`(text: String) throws {
    try writeWeights()
    try folder.write("config.json", "{}")
    let path = try folder.write("generation_config.json", text)
    let error = try error()
    #expect(error.hasPrefix(path), "\(error)")
  }
}
