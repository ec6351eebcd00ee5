import BlockwiseFiles
import BlockwiseKernels
import BlockwiseTestSupport
import Testing

@Suite struct GGUFTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: [UInt32(2), 3])
  func `values of every type are read`(version: UInt32) throws {
    var builder = GGUFBuilder()
    builder.version = version
    builder.metadata = [
      ("u8", .integer(UInt8.max)), ("i8", .integer(Int8.min)), ("u16", .integer(UInt16.max)),
      ("i16", .integer(Int16.min)), ("u32", .integer(UInt32.max)), ("i32", .integer(Int32.min)),
      ("u64", .integer(UInt64.max)), ("i64", .integer(Int64.min)), ("f32", .float(0.1)),
      ("f64", .double(0.1)),
      ("yes", .bool(true)), ("no", .bool(false)), ("text", .string("é😀")),
      ("bad", GGUFBuilder.Value(type: 8, bytes: [1, 0, 0, 0, 0, 0, 0, 0, 0xFF])),
      ("strings", .strings(["a", "", "ccc"])),
      ("integers", .array([.integer(Int32(-1)), .integer(Int32(2))], type: 5)),
      ("floats", .array([.float(1.5), .float(-2)], type: 6)),
      ("bools", .array([.bool(true), .bool(false)], type: 7)),
      ("nested", .array([.strings(["x"]), .array([.integer(UInt8(3))], type: 0)], type: 9)),
      ("none", .strings([])),
    ]

    let file = try GGUFFile(path: folder.write("a.gguf", builder.bytes()))
    #expect(file.version == Int(version))
    #expect(file.keys == builder.metadata.map(\.key))
    #expect(file["u8"]?.integerValue == 255)
    #expect(file["i8"]?.integerValue == -128)
    #expect(file["u16"]?.integerValue == 65535)
    #expect(file["i16"]?.integerValue == -32768)
    #expect(file["u32"]?.integerValue == Int(UInt32.max))
    #expect(file["i32"]?.integerValue == Int(Int32.min))
    #expect(file["u64"]?.integerValue == nil)
    #expect(file["u64"]?.numberValue == 0x1p64)
    #expect(file["i64"]?.integerValue == Int.min)
    #expect(file["f32"]?.numberValue == Double(Float(0.1)))
    #expect(file["f64"]?.numberValue == 0.1)
    #expect(file["f64"]?.integerValue == nil)
    #expect(file["yes"]?.boolValue == true)
    #expect(file["no"]?.boolValue == false)
    #expect(file["text"]?.stringValue == "é😀")
    #expect(file["bad"]?.stringValue == nil)
    #expect(file["bad"]?.summary == "a string of 1 bytes that is not UTF-8")
    let strings = try #require(file["strings"]?.arrayValue?.strings)
    #expect(strings.map { String(decoding: $0, as: UTF8.self) } == ["a", "", "ccc"])
    #expect(file["strings"]?.arrayValue?.integers == nil)
    #expect(file["strings"]?.summary == "an array of 3 strings")
    #expect(file["integers"]?.arrayValue?.integers == [-1, 2])
    #expect(file["integers"]?.arrayValue?.numbers == [-1, 2])
    #expect(file["floats"]?.arrayValue?.numbers == [1.5, -2])
    #expect(file["floats"]?.arrayValue?.integers == nil)
    #expect(file["bools"]?.arrayValue?.bools == [true, false])
    let nested = try #require(file["nested"]?.arrayValue?.arrays)
    #expect(nested.map(\.count) == [1, 1])
    #expect(nested[1].integers == [3])
    #expect(file["none"]?.arrayValue?.strings?.isEmpty == true)
    #expect(file["missing"] == nil)
    #expect(file.alignment == 32)
  }

  @Test(arguments: [8, 32, 4096])
  func `tensors are found on their grid, outermost dimension first`(alignment: Int) throws {
    var builder = GGUFBuilder()
    builder.alignment = alignment
    builder.metadata = [("general.alignment", .integer(UInt32(alignment)))]
    builder.tensors = [
      .init("a", type: 0, dimensions: [3, 2], bytes: Array(0..<24)),
      .init("b", type: 8, dimensions: [64, 2, 1, 1], bytes: Array(repeating: 7, count: 34 * 4)),
      .init("c", type: 30, dimensions: [1], bytes: [9, 8]),
    ]
    let file = try GGUFFile(path: folder.write("a.gguf", builder.bytes()))
    #expect(file.names == ["a", "b", "c"])
    #expect(file.byteCount == 24 + 136 + 2)
    #expect(try file.tensor(named: "a").shape == [2, 3])
    #expect(try Array(file.tensor(named: "a").bytes) == Array(0..<24))
    #expect(try file.tensor(named: "b").shape == [1, 1, 2, 64])
    #expect(try file.tensor(named: "b").type.weightFormat == .q8_0)
    #expect(try file.tensor(named: "b").bytes.allSatisfy { $0 == 7 })
    #expect(try Array(file.tensor(named: "c").bytes) == [9, 8])
    #expect(throws: ModelFileError.tensorMissing(name: "d", file: file.path)) { try file.tensor(named: "d") }
  }

  @Test func `a type's geometry is that of the kernels`() throws {
    for format in WeightFormat.ofFiles {
      let type = try #require(TensorType.ggml(format.rawValue))
      #expect(type.weightFormat == format)
      #expect(type.name == format.name)
      #expect(type.blockElementCount == format.blockElementCount)
      #expect(type.blockByteCount == format.blockByteCount)
    }
    for format in StoredBlockFormat.allCases {
      let type = try #require(TensorType.ggml(format.rawValue))
      #expect(type.storedBlockFormat == format)
      #expect(type.residentFormat == format.residentFormat)
      #expect(type.weightFormat == nil)
      #expect(type.name == format.name)
      #expect(type.blockElementCount == format.blockElementCount)
      #expect(type.blockByteCount == format.blockByteCount)
    }
    // No file has the formats of memory.
    #expect(WeightFormat.allCases.filter { !WeightFormat.ofFiles.contains($0) } == [.i4, .i4m, .i5m])
    for format in [WeightFormat.i4, .i4m, .i5m] { #expect(TensorType.ggml(format.rawValue) == nil) }
    #expect(Set(TensorType.decodableNames).isDisjoint(with: ["I4", "I4M", "I5M"]))
    // Blocks of activations are no weights, and integers none either.
    for id in [9, 15, 24, 25, 26, 27, 28] as [UInt32] {
      #expect(TensorType.ggml(id)?.isDecodable == false)
    }
    #expect(TensorType.ggml(14)?.byteCount(elementCount: 512) == 420)
    #expect(TensorType.ggml(14)?.byteCount(elementCount: 100) == nil)
    #expect(TensorType.f32.byteCount(elementCount: Int.max / 2) == nil)
    #expect(TensorType.ggml(14)?.weightFormat == .q6_K)
    #expect(TensorType.ggml(31) == nil)
    #expect(TensorType.safetensors("BF16") == .bf16)
    #expect(TensorType.safetensors("BF16")?.weightFormat == .bf16)
    #expect(TensorType.safetensors("I32")?.weightFormat == nil)
    #expect(TensorType.safetensors("Q8_0") == nil)
  }

  /// Ways to damage a file, and words of the error that each must give.
  static let lies: [(what: String, says: String, change: @Sendable (inout GGUFBuilder) -> Void)] = [
    ("magic", "expected GGUF", { $0.magic = Array("GGML".utf8) }),
    ("version 1", "GGUF version 1", { $0.version = 1 }),
    ("version 4", "GGUF version 4", { $0.version = 4 }),
    ("big-endian", "big-endian", { $0.version = UInt32(3).byteSwapped }),
    ("too many keys", "metadata keys", { $0.claimedKeyCount = 1 << 60 }),
    ("all the keys there are numbers", "metadata keys", { $0.claimedKeyCount = .max }),
    ("too many tensors", "tensors at byte", { $0.claimedTensorCount = 1 << 40 }),
    ("unknown value type", "unknown type 13", { $0.metadata[0].value.type = 13 }),
    ("bool of 2", "0 or 1", { $0.metadata[0].value = .init(type: 7, bytes: [2]) }),
    (
      "bools of 2", "0 or 1",
      { $0.metadata[0].value = .init(type: 9, bytes: [7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2]) }
    ),
    ("same key twice", "key k occurs twice", { $0.metadata.append($0.metadata[0]) }),
    ("NUL in key", "not plain text", { $0.metadata[0].key = "a\0" }),
    ("long key", "not plain text", { $0.metadata[0].key = String(repeating: "k", count: 65536) }),
    (
      "long string", "only",
      { $0.metadata[0].value = .init(type: 8, bytes: Array(repeating: 0xFF, count: 8)) }
    ),
    (
      "long array", "elements of key k",
      { $0.metadata[0].value = .init(type: 9, bytes: [0, 0, 0, 0] + Array(repeating: 0x7F, count: 8)) }
    ),
    (
      "many strings", "strings of key k",
      { $0.metadata[0].value = .init(type: 9, bytes: [8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]) }
    ),
    (
      "deep arrays", "nested",
      { builder in
        var value = GGUFBuilder.Value.strings(["x"])
        for _ in 0..<8 { value = .array([value], type: 9) }
        builder.metadata[0].value = value
      }
    ),
    ("alignment 0", "power of two", { $0.metadata.append(("general.alignment", .integer(UInt32(0)))) }),
    ("alignment 48", "power of two", { $0.metadata.append(("general.alignment", .integer(UInt32(48)))) }),
    (
      "alignment 2³¹", "power of two",
      { $0.metadata.append(("general.alignment", .integer(UInt32(1) << 31))) }
    ),
    ("alignment text", "power of two", { $0.metadata.append(("general.alignment", .string("32"))) }),
    ("split", "split.no", { $0.metadata.append(("split.count", .integer(UInt16(2)))) }),
    ("no dimensions", "has 0 dimensions", { $0.tensors[0].dimensions = [] }),
    ("five dimensions", "has 5 dimensions", { $0.tensors[0].dimensions = [3, 2, 1, 1, 1] }),
    ("a dimension of 0", "dimension of 0", { $0.tensors[0].dimensions = [3, 0] }),
    ("a dimension of 2⁶³", "dimension of 9223372036854775808", { $0.tensors[0].dimensions = [3, 1 << 63] }),
    ("dimensions that overflow", "no whole number", { $0.tensors[0].dimensions = [1 << 32, 1 << 31] }),
    ("bytes that overflow", "no whole number", { $0.tensors[0].dimensions = [1 << 62, 1] }),
    ("a row that is no block", "no whole number", { $0.tensors[0].type = 8 }),
    ("unknown tensor type", "number 99", { $0.tensors[0].type = 99 }),
    ("retired tensor type", "Q4_0_8_8", { $0.tensors[0].type = 33 }),
    ("beyond the file", "is the download complete", { $0.tensors[0].dimensions = [3, 200] }),
    ("far beyond the file", "is the download complete", { $0.tensors[1].offset = UInt64.max - 31 }),
    ("off the grid", "no multiple of the alignment", { $0.tensors[1].offset = 33 }),
    ("overlap", "overlap", { $0.tensors[1].offset = 0 }),
    ("same name twice", "tensor a occurs twice", { $0.tensors[1].name = "a" }),
    (
      "end token as text", "token id",
      { $0.metadata.append(("tokenizer.ggml.eos_token_id", .string("</s>"))) }
    ),
  ]

  @Test(arguments: lies.indices)
  func `a file that lies is refused`(index: Int) throws {
    let lie = GGUFTests.lies[index]
    var builder = GGUFTests.small
    _ = try GGUFFile(path: folder.write("good.gguf", builder.bytes()))
    lie.change(&builder)
    let path = try folder.write("bad.gguf", builder.bytes())
    let error = try #require(throws: ModelFileError.self, "\(lie.what)") { try GGUFFile(path: path) }
    #expect(error.description.contains(lie.says), "\(lie.what): \(error)")
    #expect(error.description.hasPrefix(path), "\(lie.what): \(error)")
  }

  @Test func `a file cut anywhere is refused`() throws {
    let whole = GGUFTests.small.bytes()
    // The last tensor ends before the padding of the last grid cell.
    for count in 0..<whole.count - 16 {
      let path = try folder.write("a.gguf", Array(whole[..<count]))
      #expect(throws: ModelFileError.self, "\(count) bytes") { try GGUFFile(path: path) }
    }
  }

  @Test func `text generation is read from the metadata`() throws {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("tokenizer.ggml.eos_token_id", .integer(UInt32(7))),
      ("tokenizer.ggml.eot_token_id", .integer(UInt32(9))),
      ("tokenizer.ggml.eom_token_id", .integer(UInt32(7))),
      ("tokenizer.ggml.bos_token_id", .integer(UInt32.max)),
      ("tokenizer.ggml.padding_token_id", .integer(Int32(-1))), ("general.sampling.temp", .float(0.5)),
      ("general.sampling.top_k", .integer(Int32(20))),
    ]
    let file = try GGUFFile(path: folder.write("a.gguf", builder.bytes()))
    let generation = file.generationConfiguration
    #expect(generation.endTokens == [7, 9])
    #expect(generation.beginToken == nil)
    #expect(generation.padToken == nil)
    #expect(generation.temperature == 0.5)
    #expect(generation.topK == 20)
    #expect(generation.topP == nil)
  }

  /// One key and two tensors; the second ends 16 bytes before the end of the file.
  static var small: GGUFBuilder {
    var builder = GGUFBuilder()
    builder.metadata = [("k", .integer(UInt32(1)))]
    builder.tensors = [
      .init("a", type: 0, dimensions: [3, 2], bytes: Array(0..<24)),
      .init("b", type: 1, dimensions: [8], bytes: Array(0..<16)),
    ]
    return builder
  }
}
