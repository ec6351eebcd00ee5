import BlockwiseFiles
import BlockwiseTestSupport
import Testing

/// Thousands of damaged files: each must give a typed error, or open so that everything in it can be read.
///
/// A trap, a hang or an allocation by a number from the file ends or stops the whole test run.
@Suite struct MutationTests {
  private static let edges: [UInt64] = [
    0, 1, 2, 31, 255, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) - 1, 1 << 40, 1 << 62,
    (1 << 63) - 1, 1 << 63,
    .max, .max - 1, .max - 31,
  ]

  @Test(arguments: 0..<8)
  func `damaged GGUF files throw or read in full`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    let source = gguf().bytes()
    var openedCount = 0
    for round in 0..<600 {
      var bytes = random.damaged(source)
      if round % 2 == 0, source.count >= 8 {
        bytes = source
        let place = Int.random(in: 0...source.count - 8, using: &random)
        var value = MutationTests.edges[Int.random(in: 0..<MutationTests.edges.count, using: &random)]
        if Bool.random(using: &random) {
          value = UInt64(bytes.count) &+ UInt64.random(in: 0...4, using: &random) &- 2
        }
        let width = Bool.random(using: &random) ? 8 : 4
        for index in 0..<width {
          bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
      }
      let path = try folder.write("a.gguf", bytes)
      do {
        let file = try GGUFFile(path: path)
        openedCount += 1
        readAll(file)
        for key in file.keys { if let value = file[key] { readAll(value) } }
      } catch {
        #expect(error.description.hasPrefix(path), "seed \(seed), round \(round): \(error)")
      }
    }
    // Damage within the data goes unnoticed, so some files must open: else nothing beyond the header was tested.
    #expect(openedCount > 0, "seed \(seed)")
  }

  @Test(arguments: 0..<8)
  func `damaged safetensors files throw or read in full`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    let source = try safetensors(folder)
    var openedCount = 0
    for round in 0..<600 {
      let bytes = round % 2 == 0 ? lie(in: source, &random) : random.damaged(source)
      let path = try folder.write("a.safetensors", bytes)
      do {
        let file = try SafetensorsFile(path: path)
        openedCount += 1
        readAll(file)
      } catch {
        #expect(error.description.hasPrefix(path), "seed \(seed), round \(round): \(error)")
      }
    }
    #expect(openedCount > 0, "seed \(seed)")
  }

  @Test(arguments: 0..<4)
  func `damaged model folders throw or read in full`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    let names = ["one.safetensors", "two.safetensors"]
    let shard = try safetensors(folder)
    var members: [(String, JSONValue)] = []
    for name in try SafetensorsFile(path: folder.path + "/source.safetensors").names {
      members.append((name, .string(names[members.count % 2])))
    }
    var map = JSONObject()
    for (name, value) in members { map[name] = value }
    let sources: [(name: String, bytes: [UInt8])] = [
      ("config.json", Array(#"{"hidden_size": 64, "rope_scaling": {"factor": 2.0, "type": "é"}}"#.utf8)),
      ("generation_config.json", Array(#"{"eos_token_id": [4, 5], "top_p": 0.9, "do_sample": true}"#.utf8)),
      ("tokenizer_config.json", Array(#"{"bos_token": "<s>", "list": [1, 2, {"a": null}]}"#.utf8)),
      ("model.safetensors.index.json", (["weight_map": .object(map)] as JSONValue).bytes(.pretty)),
      (names[0], shard), (names[1], shard),
    ]
    var openedCount = 0
    for (name, bytes) in sources { try folder.write(name, bytes) }
    for round in 0..<300 {
      let (name, bytes) = sources[Int.random(in: 0..<sources.count, using: &random)]
      try folder.write(name, round == 0 ? bytes : random.damaged(bytes))
      do {
        let source = try ModelSource(path: folder.path)
        openedCount += 1
        readAll(source.weights)
      } catch {
        #expect(error.description.hasPrefix(folder.path), "seed \(seed), round \(round): \(error)")
      }
      try folder.write(name, bytes)
    }
    #expect(openedCount > 0, "seed \(seed)")
  }

  // MARK: Sources

  private func gguf() -> GGUFBuilder {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("general.architecture", .string("llama")), ("general.alignment", .integer(UInt32(32))),
      ("llama.block_count", .integer(UInt32(2))), ("llama.rope.freq_base", .float(10000)),
      ("flag", .bool(true)), ("big", .integer(UInt64.max)),
      ("tokenizer.ggml.tokens", .strings(["<s>", "a", "bb", "é"])),
      ("tokenizer.ggml.scores", .array([.float(0), .float(-1), .float(-2), .float(.nan)], type: 6)),
      ("tokenizer.ggml.eos_token_id", .integer(UInt32(2))),
      ("nested", .array([.array([.bool(true), .bool(false)], type: 7), .strings(["x"])], type: 9)),
    ]
    builder.tensors = [
      .init("token_embd.weight", type: 8, dimensions: [64, 4], bytes: Array(repeating: 3, count: 34 * 8)),
      .init("blk.0.attn_norm.weight", type: 0, dimensions: [16], bytes: Array(repeating: 1, count: 64)),
      .init(
        "blk.0.attn_q.weight", type: 12, dimensions: [256, 1, 2], bytes: Array(repeating: 5, count: 288)),
    ]
    return builder
  }

  private func safetensors(_ folder: TemporaryFolder) throws -> [UInt8] {
    let path = folder.path + "/source.safetensors"
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    try writer.append("model.norm.weight", shape: [16], floats: Array(repeating: 1, count: 16))
    try writer.append(
      "model.embed.weight", type: .bf16, shape: [4, 8], bytes: Array(repeating: 2, count: 64))
    try writer.append("bias", type: .u8, shape: [3, 1, 5], bytes: Array(repeating: 3, count: 15))
    try writer.append("none", type: .f16, shape: [0], bytes: [])
    try writer.write(to: path)
    let file = try MappedFile(path: path)
    return Array(file.bytes)
  }

  /// The file with one number of its header replaced by one that is wrong by little or by much, lengths adjusted.
  private func lie(in source: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    let length = source[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = source[8..<8 + length]
    var numbers: [Range<Int>] = []
    for index in header.indices where isDigit(header[index]) {
      if let last = numbers.last, last.upperBound == index {
        numbers[numbers.count - 1] = last.lowerBound..<index + 1
      } else {
        numbers.append(index..<index + 1)
      }
    }
    let place = numbers[Int.random(in: 0..<numbers.count, using: &random)]
    let old = UInt64(String(decoding: header[place], as: UTF8.self)) ?? 0
    let near = Bool.random(using: &random)
    let new =
      near
      ? old &+ UInt64.random(in: 0...8, using: &random) &- 4
      : MutationTests.edges[Int.random(in: 0..<MutationTests.edges.count, using: &random)]
    let text =
      Array(header[..<place.lowerBound]) + Array(String(new).utf8) + Array(header[place.upperBound...])
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text + source[(8 + length)...]
  }

  private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  // MARK: Reading everything

  private func readAll(_ store: any WeightStore) {
    for name in store.names {
      guard let view = try? store.tensor(named: name) else {
        Issue.record("\(name) is listed but cannot be had")
        continue
      }
      #expect(view.type.byteCount(elementCount: view.elementCount) == view.byteCount)
      touch(view.bytes)
      view.release()
      touch(view.bytes)
    }
  }

  private func readAll(_ value: GGUFValue) {
    #expect(!value.summary.isEmpty)
    if case .string(let string) = value { touch(string.bytes) }
    if let array = value.arrayValue { readAll(array) }
  }

  private func readAll(_ array: GGUFArray) {
    switch array.elementKind {
    case .strings: array.strings?.forEach(touch)
    case .arrays: array.arrays?.forEach(readAll)
    case .bools: #expect(array.bools?.count == array.count)
    case .integers, .floats: #expect(array.numbers?.count == array.count)
    }
  }

  private func touch(_ bytes: UnsafeRawBufferPointer) {
    let sum = bytes.reduce(into: 0) { $0 &+= Int($1) }
    #expect(sum >= 0)
  }
}
