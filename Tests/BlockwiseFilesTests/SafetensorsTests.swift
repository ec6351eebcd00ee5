import BlockwiseFiles
import BlockwiseTestSupport
import Testing

@Suite struct SafetensorsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `what is written is read back`() throws {
    let path = folder.path + "/a.safetensors"
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    try writer.append("x", shape: [2, 3], floats: [1, 2, 3, -4, .infinity, 0.5])
    try writer.append("é\"\n", type: .u8, shape: [3], bytes: [7, 8, 9])
    try writer.append("empty", type: .f16, shape: [0, 4], bytes: [])
    try writer.append("scalar", type: .i64, shape: [], bytes: [1, 0, 0, 0, 0, 0, 0, 0x80])
    try writer.write(to: path)
    try writer.write(to: path)  // replaces

    let file = try SafetensorsFile(path: path)
    #expect(file.names.sorted() == ["x", "é\"\n", "empty", "scalar"].sorted())
    #expect(file.metadata == ["format": "pt"])
    for name in file.names {
      let view = try file.tensor(named: name)
      // The mapping starts on a page, so addresses are aligned where places in the file are.
      #expect(Int(bitPattern: view.bytes.baseAddress) % view.type.blockByteCount == 0, "\(name)")
    }
    #expect(file.byteCount == 24 + 3 + 8)
    let view = try file.tensor(named: "x")
    #expect(view.shape == [2, 3])
    #expect(view.type == .f32)
    #expect(Array(view.bytes.bindMemory(to: Float.self)) == [1, 2, 3, -4, .infinity, 0.5])
    #expect(try Array(file.tensor(named: "é\"\n").bytes) == [7, 8, 9])
    #expect(try file.tensor(named: "empty").elementCount == 0)
    #expect(try file.tensor(named: "scalar").shape == [])
    #expect(try file.tensor(named: "scalar").byteCount == 8)
    #expect(try folder.names() == ["a.safetensors"])
  }

  @Test func `a view outlives the file it came from`() throws {
    let path = try folder.write(
      "a.safetensors", file(#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#, 3))
    let view = try SafetensorsFile(path: path).tensor(named: "x")
    #expect(Array(view.bytes) == [0, 1, 2])
  }

  @Test func `a file that cannot be written leaves nothing behind`() throws {
    var writer = SafetensorsWriter()
    try writer.append("x", shape: [1], floats: [1])
    #expect(throws: ModelFileError.cannotWrite(path: folder.path, reason: "it is a directory")) {
      try writer.write(to: folder.path)
    }
    #expect(throws: ModelFileError.self) { try writer.write(to: folder.path + "/missing/a.safetensors") }
    #expect(throws: ModelFileError.self) { try writer.write(to: "/dev/full/x") }
    #expect(throws: ModelFileError.self) { try writer.append("x", shape: [1], floats: [1]) }
    #expect(throws: ModelFileError.self) { try writer.append("y", shape: [2], floats: [1]) }
    #expect(throws: ModelFileError.self) { try writer.append("y", type: .bf16, shape: [2], bytes: [1]) }
    #expect(try folder.names() == [])
  }

  static let tensor = #"{"dtype":"U8","shape":[3],"data_offsets":[0,3]}"#

  @Test(arguments: [
    ("", "it is no JSON object"),
    ("[]", "it is no JSON object"),
    ("{", "expected a key"),
    (#"{"x":{"dtype":"U8","shape":[3]}}"#, "no data_offsets"),
    (#"{"x":{"dtype":"U8","data_offsets":[0,3]}}"#, "no shape"),
    (#"{"x":{"shape":[3],"data_offsets":[0,3]}}"#, "no dtype"),
    (#"{"x":{"dtype":"Q8","shape":[3],"data_offsets":[0,3]}}"#, "type Q8 is not supported"),
    (#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[0]}}"#, "data_offsets with two numbers"),
    (#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3,4]}}"#, "at most 2 sizes"),
    (#"{"x":{"dtype":"U8","shape":[-3],"data_offsets":[0,3]}}"#, "none negative"),
    (#"{"x":{"dtype":"U8","shape":[3.5],"data_offsets":[0,3]}}"#, "whole number"),
    (#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[3,0]}}"#, "before they begin"),
    (#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,3]}}"#, "takes 4 bytes"),
    (#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, "is the download complete"),
    (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, "1 bytes at the end belong to no tensor"),
    (#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, "1 bytes before it belong to no tensor"),
    (#"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, "no size in bytes"),
    (#"{"x":{"dtype":"F32","shape":[9223372036854775807,0,9],"data_offsets":[0,0]}}"#, "no size in bytes"),
    (
      #"{"x":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}"#,
      "is the download complete"
    ),
    ("{\"x\":\(tensor),\"x\":\(tensor)}", "occurs twice"),
    ("{\"x\":\(tensor),\"y\":\(tensor)}", "overlap"),
    (#"{"x":{"dtype":"U8","dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#, "occurs twice"),
    (#"{"__metadata__":{},"__metadata__":{}}"#, "occurs twice"),
    (#"{"__metadata__":{"a":1}}"#, "expected a string"),
    ("{\"x\":\(tensor)} {}", "expected the end of the text"),
  ])
  func `a header that lies is refused`(header: String, says: String) throws {
    let path = try folder.write("a.safetensors", file(header, 3))
    let error = try #require(throws: ModelFileError.self) { try SafetensorsFile(path: path) }
    #expect(error.description.contains(says), "\(error)")
    #expect(error.description.contains(path), "\(error)")
  }

  @Test func `a file that ends in its header is refused`() throws {
    let whole = file("{\"x\":\(SafetensorsTests.tensor)}", 3)
    for count in 0..<whole.count {
      let path = try folder.write("a.safetensors", Array(whole[..<count]))
      #expect(throws: ModelFileError.self, "\(count) bytes") { try SafetensorsFile(path: path) }
    }
    let path = try folder.write("a.safetensors", whole)
    #expect(throws: Never.self) { try SafetensorsFile(path: path) }
  }

  @Test func `a header length beyond reason is refused before anything is read`() throws {
    for length in [UInt64.max, 1 << 63, 100_000_001, 1 << 40] {
      let path = try folder.write(
        "a.safetensors", withUnsafeBytes(of: length.littleEndian, Array.init) + [0x7B])
      #expect(
        throws: ModelFileError.headerTooLarge(file: path, found: length, limit: 100_000_000)
      ) { try SafetensorsFile(path: path) }
    }
  }

  @Test func `shards are found through their index`() throws {
    try folder.write("a.safetensors", file(#"{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#, 3))
    try folder.write("b.safetensors", file(#"{"y":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]}}"#, 2))
    let index = try folder.write(
      "i.json", #"{"metadata":{}, "weight_map": {"y": "b.safetensors", "x": "a.safetensors"}}"#)
    let store = try ShardedSafetensors(indexPath: index)
    #expect(store.names == ["y", "x"])
    #expect(store.byteCount == 5)
    #expect(try store.tensor(named: "x").shape == [3])
    #expect(try store.tensor(named: "y").file == folder.path + "/b.safetensors")
    #expect(store.contains("x") && !store.contains("z"))
    #expect(throws: ModelFileError.tensorMissing(name: "z", file: index)) { try store.tensor(named: "z") }
  }

  @Test(arguments: [
    ("{}", "key weight_map: expected an object, found nothing"),
    ("{", "expected a key"),
    (#"{"weight_map": []}"#, "expected an object"),
    (#"{"weight_map": {"x": 1}}"#, "beside the index"),
    (#"{"weight_map": {"x": ""}}"#, "beside the index"),
    (#"{"weight_map": {"x": ".."}}"#, "beside the index"),
    (#"{"weight_map": {"x": "../a.safetensors"}}"#, "beside the index"),
    (#"{"weight_map": {"x": "/etc/passwd"}}"#, "beside the index"),
    (#"{"weight_map": {"x": "a.safetensors\u0000"}}"#, "beside the index"),
    (#"{"weight_map": {"x": "missing.safetensors"}}"#, "missing.safetensors: is missing, but"),
    (#"{"weight_map": {"z": "a.safetensors"}}"#, "there is no tensor z"),
    (#"{"weight_map": {"x": "broken.safetensors"}}"#, "length of the header"),
  ])
  func `an index that lies is refused`(text: String, says: String) throws {
    try folder.write("a.safetensors", file("{\"x\":\(SafetensorsTests.tensor)}", 3))
    try folder.write("broken.safetensors", [1, 2])
    let index = try folder.write("i.json", text)
    let error = try #require(throws: ModelFileError.self) { try ShardedSafetensors(indexPath: index) }
    #expect(error.description.contains(says), "\(error)")
  }

  @Test func `what is no regular file is refused`() throws {
    #expect(throws: ModelFileError.cannotOpen(path: folder.path, reason: "it is a directory")) {
      try SafetensorsFile(path: folder.path)
    }
    #expect(throws: ModelFileError.cannotOpen(path: "/dev/null", reason: "it is not a regular file")) {
      try SafetensorsFile(path: "/dev/null")
    }
    #expect(throws: ModelFileError.self) { try SafetensorsFile(path: folder.path + "/none") }
    #expect(throws: ModelFileError.self) { try SafetensorsFile(path: "a\0b") }
  }

  /// A file with that header and `byteCount` bytes 0, 1, 2 …
  private func file(_ header: String, _ byteCount: UInt8) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
      + Array(0..<byteCount)
  }
}
