import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct GGUFWriterTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file with a value of every type and three tensors whose sizes need padding.
  private static let source: GGUFBuilder = {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("general.architecture", .string("llama")), ("u8", .integer(UInt8.max)), ("i8", .integer(Int8.min)),
      ("u16", .integer(UInt16.max)), ("i16", .integer(Int16.min)), ("u32", .integer(UInt32.max)),
      ("i32", .integer(Int32.min)), ("u64", .integer(UInt64.max)), ("i64", .integer(Int64.min)),
      ("f32", .float(0.1)), ("f64", .double(0.1)), ("yes", .bool(true)), ("text", .string("é😀")),
      ("bad", GGUFBuilder.Value(type: 8, bytes: [1, 0, 0, 0, 0, 0, 0, 0, 0xFF])),
      ("strings", .strings(["a", "", "ccc"])),
      ("integers", .array([.integer(Int32(-1)), .integer(Int32(2))], type: 5)),
      ("nested", .array([.strings(["x"]), .array([.integer(UInt8(3))], type: 0)], type: 9)),
      ("none", .strings([])),
    ]
    builder.tensors = [
      .init("a", type: 0, dimensions: [3, 2], bytes: (0..<24).map { UInt8($0) }),
      .init("b", type: 24, dimensions: [5], bytes: [1, 2, 3, 4, 5]),
      .init("c", type: 8, dimensions: [32, 1, 2], bytes: (0..<68).map { UInt8($0) }),
    ]
    return builder
  }()

  private func rewrite(_ file: GGUFFile, to path: String, chunk: Int) throws {
    let views = try file.names.map { try file.tensor(named: $0) }
    var writer = try GGUFWriter(
      path: path, metadata: file.keys.compactMap { key in file.storedValue(key).map { (key, $0) } },
      tensors: views.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
    for view in views {
      var start = 0
      while start < view.byteCount {
        let end = min(start + chunk, view.byteCount)
        try writer.write(UnsafeRawBufferPointer(rebasing: view.bytes[start..<end]))
        start = end
      }
    }
    try writer.finish()
  }

  @Test(arguments: [1, 7, 1000])
  func `a file that is read and written again is the same to the byte`(chunk: Int) throws {
    var builder = Self.source
    if chunk == 7 {
      builder.alignment = 128
      builder.metadata.append(("general.alignment", .integer(UInt32(128))))
    }
    let file = try GGUFFile(path: folder.write("a.gguf", builder.bytes()))
    try rewrite(file, to: folder.path + "/b.gguf", chunk: chunk)
    let copy = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/b.gguf"))
    #expect(Array(copy) == builder.bytes())
    #expect(try folder.names() == ["a.gguf", "b.gguf"])
  }

  @Test func `values of every type are written as they are read`() throws {
    let metadata: [(key: String, value: GGUFStoredValue)] = [
      ("general.architecture", .string("llama")), ("u8", .uint8(.max)), ("i8", .int8(.min)),
      ("u16", .uint16(.max)),
      ("i16", .int16(.min)), ("u32", .uint32(.max)), ("i32", .int32(.min)), ("u64", .uint64(.max)),
      ("i64", .int64(.min)), ("f32", .float32(0.1)), ("f64", .float64(0.1)), ("yes", .bool(true)),
      ("text", .string("é😀")), ("bad", .string([0xFF])), ("strings", .strings(["a", "", "ccc"])),
      ("integers", .int32s([-1, 2])), ("nested", .array([.strings(["x"]), .array([.uint8(3)])])),
      ("none", .strings([String]())),
    ]
    var builder = Self.source
    builder.tensors = []
    let writer = try GGUFWriter(path: folder.path + "/b.gguf", metadata: metadata, tensors: [])
    try writer.finish()
    let written = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/b.gguf"))
    #expect(Array(written) == builder.bytes())
  }

  @Test func `arrays of numbers and booleans are written`() throws {
    let metadata: [(key: String, value: GGUFStoredValue)] = [
      ("unsigned", .uint32s([1, .max])), ("floats", .float32s([0.5, -2])), ("bools", .bools([true, false])),
    ]
    let writer = try GGUFWriter(path: folder.path + "/b.gguf", metadata: metadata, tensors: [])
    try writer.finish()
    let file = try GGUFFile(path: folder.path + "/b.gguf")
    #expect(file["unsigned"]?.arrayValue?.integers == [1, Int(UInt32.max)])
    #expect(file["floats"]?.arrayValue?.numbers == [0.5, -2])
    #expect(file["bools"]?.arrayValue?.bools == [true, false])
  }

  @Test func `a file that is not finished leaves nothing behind`() throws {
    let path = try folder.write("model.gguf", "old")
    do {
      var writer = try GGUFWriter(
        path: path, metadata: [], tensors: [.init(name: "a", type: .f32, shape: [2])])
      try [Float(1)].withUnsafeBytes { try writer.write($0) }
      #expect(try folder.names().count == 2)
    }
    #expect(try folder.names() == ["model.gguf"])
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
  }

  @Test func `more than the disk holds is refused before anything is written`() throws {
    let path = folder.path + "/huge.gguf"
    #expect {
      let writer = try GGUFWriter(
        path: path, metadata: [], tensors: [.init(name: "a", type: .f32, shape: [1 << 50])])
      try writer.finish()
    } throws: {
      guard case ModelFileError.cannotWrite(path, let reason) = $0 else { return false }
      return reason.contains("4503599627370")
    }
    #expect(try folder.names() == [])
  }

  // Named with its type: the compiler takes seconds to find the type of such an array.
  private static let impossibleTensors: [(name: String, tensors: [TensorDescription])] = [
    ("twice", [.init(name: "a", type: .f32, shape: [2]), .init(name: "a", type: .f32, shape: [2])]),
    ("empty", [.init(name: "a", type: .f32, shape: [0])]),
    ("five", [.init(name: "a", type: .f32, shape: [1, 1, 1, 1, 1])]),
    ("type", [.init(name: "a", type: .u8, shape: [2])]),
    ("overflow", [.init(name: "a", type: .f32, shape: [1 << 40, 1 << 40])]),
    ("name", [.init(name: "", type: .f32, shape: [2])]),
  ]

  @Test(arguments: impossibleTensors)
  func `tensors that the format cannot hold are refused`(name: String, tensors: [TensorDescription]) throws {
    #expect(throws: ModelFileError.self) {
      let writer = try GGUFWriter(path: folder.path + "/bad.gguf", metadata: [], tensors: tensors)
      try writer.finish()
    }
    #expect(try folder.names() == [])
  }

  @Test func `a doubled key or an odd alignment is refused`() throws {
    for metadata: [(key: String, value: GGUFStoredValue)] in [
      [("a", .bool(true)), ("a", .bool(true))], [("general.alignment", .uint32(12))],
      [("general.alignment", .string("32"))],
    ] {
      #expect(throws: ModelFileError.self) {
        let writer = try GGUFWriter(path: folder.path + "/bad.gguf", metadata: metadata, tensors: [])
        try writer.finish()
      }
    }
  }
}

@Suite struct GGUFSplitTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static func shard(
    _ number: Int, of count: Int, tensors: [String], total: Int? = nil, count16: Int? = nil
  ) -> GGUFBuilder {
    var builder = GGUFBuilder()
    if number == 0 { builder.metadata = [("general.architecture", .string("llama"))] }
    builder.metadata += [
      ("split.no", .integer(UInt16(number))), ("split.count", .integer(UInt16(count16 ?? count))),
      ("split.tensors.count", .integer(Int32(total ?? 3))),
    ]
    builder.tensors = tensors.map {
      .init($0, type: 0, dimensions: [1], bytes: [UInt8(number), 0, 0, 0])
    }
    return builder
  }

  private func name(_ number: Int) -> String { "m-0000\(number + 1)-of-00003.gguf" }

  private func writeAll() throws {
    for (number, tensors) in [["a"], ["b", "c"], []].enumerated() {
      try folder.write(name(number), Self.shard(number, of: 3, tensors: tensors).bytes())
    }
  }

  @Test(arguments: 0..<3) func `any file of a split model opens all of it`(number: Int) throws {
    try writeAll()
    let file = try GGUFFile(path: folder.path + "/" + name(number))
    #expect(file.names == ["a", "b", "c"])
    #expect(file.files == (0..<3).map { folder.path + "/" + name($0) })
    #expect(file["general.architecture"]?.stringValue == "llama")
    #expect(file.byteCount == 12)
    #expect(try file.tensor(named: "c").bytes[0] == 1)
    #expect(try file.tensor(named: "a").file == folder.path + "/" + name(0))
    #expect(throws: ModelFileError.tensorMissing(name: "d", file: file.path)) { try file.tensor(named: "d") }
    guard case .gguf(let found) = try ModelSource(path: folder.path) else {
      Issue.record("the folder is no GGUF model")
      return
    }
    #expect(found.names.count == 3)
  }

  @Test func `a missing file of a split model is named`() throws {
    try writeAll()
    try FileManager.default.removeItem(atPath: folder.path + "/" + name(1))
    let path = folder.path + "/" + name(2)
    #expect(throws: ModelFileError.shardMissing(file: folder.path + "/" + name(1), neededBy: path)) {
      try GGUFFile(path: path)
    }
  }

  @Test func `a file of another set, a doubled tensor and a wrong count of tensors are refused`() throws {
    try writeAll()
    let second = folder.path + "/" + name(1)
    for (builder, isExpected) in [
      (
        Self.shard(1, of: 3, tensors: ["b", "c"], count16: 4),
        { (error: ModelFileError) in
          if case .key(_, "1 of 4", "1 of 3", second) = error { true } else { false }
        }
      ),
      (Self.shard(1, of: 3, tensors: ["a", "c"]), { $0 == .duplicateTensor(name: "a", file: second) }),
      (
        Self.shard(1, of: 3, tensors: ["b"]),
        {
          if case .key("split.tensors.count", "3", _, _) = $0 { true } else { false }
        }
      ),
    ] {
      try folder.write(name(1), builder.bytes())
      #expect {
        try GGUFFile(path: folder.path + "/" + name(0))
      } throws: {
        ($0 as? ModelFileError).map(isExpected) ?? false
      }
    }
  }

  @Test func `a split file under another name is refused with the name it should have`() throws {
    try folder.write("renamed.gguf", Self.shard(0, of: 3, tensors: ["a"]).bytes())
    #expect {
      try GGUFFile(path: folder.path + "/renamed.gguf")
    } throws: {
      "\($0)".contains("-00001-of-00003.gguf")
    }
  }
}
