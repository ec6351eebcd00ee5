import BlockwiseConversion
import BlockwiseFiles
import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct RewritingTests {
  let folder: TemporaryFolder
  static let model = SharedData.packageFolder + "/Tests/Fixtures/gguf/llama/llama-F16.gguf"

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func convert(
    _ path: String, _ name: String, _ options: ConversionOptions
  ) throws -> ConversionReport {
    try ModelConverter(try ModelSource(path: path), options: options).convert(to: folder.path + "/" + name)
  }

  /// The f32 values of a tensor.
  static func values(_ view: TensorView) throws -> [Float] {
    let format = try #require(view.type.weightFormat)
    var values = [Float](repeating: 0, count: view.elementCount)
    try values.withUnsafeMutableBufferPointer { values in
      format.decode(
        try #require(view.bytes.baseAddress), elementCount: view.elementCount,
        into: try #require(values.baseAddress))
    }
    return values
  }

  @Test func `metadata stay as they are and in order, but for those that name the format`() throws {
    try convert(Self.model, "out.gguf", options(.q8_0))
    let before = try GGUFFile(path: Self.model)
    let after = try GGUFFile(path: folder.path + "/out.gguf")
    #expect(after.keys == before.keys)
    for key in before.keys where key != "general.file_type" {
      let (old, new) = (try #require(before.storedValue(key)), try #require(after.storedValue(key)))
      #expect(old.typeID == new.typeID && old.bytes == new.bytes, "\(key)")
    }
    #expect(after["general.file_type"]?.integerValue == 7)
    #expect(after["general.quantization_version"]?.integerValue == 2)
    #expect(after.names == before.names)
  }

  private func options(_ format: QuantizationFormat) -> ConversionOptions {
    ConversionOptions(format: format)
  }

  @Test func `matrices get the format, vectors stay f32`() throws {
    let report = try convert(Self.model, "out.gguf", options(.q4_0))
    let file = try GGUFFile(path: folder.path + "/out.gguf")
    #expect(report.tensors.map(\.name) == file.names)
    for tensor in report.tensors {
      let view = try file.tensor(named: tensor.name)
      #expect(view.type == tensor.to && view.shape == tensor.shape && view.byteCount == tensor.byteCountAfter)
      let expected = tensor.shape.count < 2 ? "F32" : tensor.name == "output.weight" ? "Q8_0" : "Q4_0"
      #expect(tensor.to.name == expected, "\(tensor.name)")
    }
  }

  @Test(arguments: [QuantizationFormat.f32, .f16, .bf16, .q8_0, .q4_0])
  func `values stay within half a step of the format`(format: QuantizationFormat) throws {
    try convert(Self.model, "out.gguf", options(format))
    let before = try GGUFFile(path: Self.model)
    let after = try GGUFFile(path: folder.path + "/out.gguf")
    for name in before.names {
      let old = try before.tensor(named: name)
      let new = try after.tensor(named: name)
      let (a, b) = (try Self.values(old), try Self.values(new))
      if old.shape.count < 2 || format == .f32 || format == .f16 {
        #expect(a == b, "\(name)")
        continue
      }
      for block in stride(from: 0, to: a.count, by: 32) {
        let largest = a[block..<block + 32].reduce(0) { max($0, abs($1)) }
        let step: Float =
          switch new.type.name {
          case "Q8_0": largest / 127
          case "Q4_0": largest / 8 * 2  // the positive end is cut at seven steps
          default: largest / 128
          }
        for index in block..<block + 32 {
          #expect(abs(a[index] - b[index]) <= step * 0.57, "\(name)[\(index)]")
        }
      }
    }
  }

  @Test func `the plain block formats are encoded as by the reference`() throws {
    let path = try SharedData.path("parity/gguf/blocks.safetensors")
    let store = try SafetensorsFile(path: path)
    let input = try store.tensor(named: "quantize.input")
    var builder = GGUFBuilder()
    builder.metadata = [("general.architecture", .string("llama"))]
    let columns = try #require(input.shape.last)
    builder.tensors = [
      .init(
        "blk.0.ffn_up.weight", type: 0,
        dimensions: [UInt64(columns), UInt64(input.elementCount / columns)], bytes: Array(input.bytes))
    ]
    let source = try folder.write("in.gguf", builder.bytes())
    for (format, name) in [(QuantizationFormat.q8_0, "Q8_0"), (.q4_0, "Q4_0")] {
      try convert(source, "\(name).gguf", options(format))
      let encoded = try GGUFFile(path: folder.path + "/\(name).gguf").tensor(named: "blk.0.ffn_up.weight")
      #expect(encoded.bytes.elementsEqual(try store.tensor(named: "quantize.\(name)").bytes), "\(name)")
    }
  }

  @Test func `overrides and the head's format decide, and an override for nothing is refused`() throws {
    var options = options(.q4_0)
    options.headType = .f16
    options.overrides = [
      .init(pattern: "blk.0.attn_v", type: .bf16), .init(pattern: "attn_v", type: .f32),
    ]
    let report = try convert(Self.model, "out.gguf", options)
    let types = Dictionary(uniqueKeysWithValues: report.tensors.map { ($0.name, $0.to.name) })
    #expect(types["output.weight"] == "F16")
    #expect(types["blk.0.attn_v.weight"] == "BF16")
    #expect(types["blk.1.attn_v.weight"] == "F32")
    let idle: [([ConversionOptions.Override], word: String)] = [
      ([.init(pattern: "nothing", type: .f32)], "no tensor"),
      ([.init(pattern: "attn_norm", type: .f16)], "norms"),
      ([.init(pattern: "attn", type: .f16), .init(pattern: "attn_v", type: .f32)], "an earlier one, attn,"),
    ]
    for (overrides, word) in idle {
      options.overrides = overrides
      let error = #expect(throws: ConversionError.self) { try convert(Self.model, "other.gguf", options) }
      #expect("\(error.map(String.init(describing:)) ?? "")".contains(word), "\(overrides)")
    }
    #expect(try folder.names() == ["out.gguf"])
  }

  @Test func `rows that are no whole number of blocks fall back, and the report says so`() throws {
    var builder = GGUFBuilder()
    builder.metadata = [("general.architecture", .string("llama"))]
    builder.tensors = [
      .init("blk.0.ffn_up.weight", type: 0, dimensions: [40, 2], bytes: [UInt8](repeating: 0, count: 320))
    ]
    let report = try convert(try folder.write("in.gguf", builder.bytes()), "out.gguf", options(.q8_0))
    #expect(report.tensors.first?.to == .f16)
    #expect(report.notes.contains { $0.contains("rows of 40") && $0.contains("F16") }, "\(report.notes)")
  }

  @Test func `numbers that a format cannot hold are refused with the tensor's name`() throws {
    for (value, format) in [
      (Float.nan, QuantizationFormat.f16), (.infinity, .q8_0), (1e6, .f16), (1e9, .q4_0),
    ] {
      var builder = GGUFBuilder()
      builder.metadata = [("general.architecture", .string("llama"))]
      var values = [Float](repeating: 0, count: 64)
      values[33] = value
      builder.tensors = [
        .init("blk.0.ffn_up.weight", type: 0, dimensions: [32, 2], bytes: values.withUnsafeBytes(Array.init))
      ]
      let path = try folder.write("in.gguf", builder.bytes())
      #expect {
        try convert(path, "out.gguf", options(format))
      } throws: {
        ($0 is ConversionError) && "\($0)".contains("blk.0.ffn_up.weight")
      }
      #expect(try folder.names() == ["in.gguf"])
    }
  }

  @Test func `the input is never replaced, and another file only when told to`() throws {
    let copy = folder.path + "/copy.gguf"
    try FileManager.default.copyItem(atPath: Self.model, toPath: copy)
    let link = folder.path + "/link.gguf"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: copy)
    var options = options(.q8_0)
    options.replacesOutput = true
    #expect(throws: ConversionError.outputIsInput(link)) { try convert(copy, "link.gguf", options) }
    #expect(throws: ConversionError.outputIsInput(copy)) { try convert(link, "copy.gguf", options) }
    try folder.write("there.gguf", "old")
    options.replacesOutput = false
    #expect(throws: ConversionError.outputExists(folder.path + "/there.gguf")) {
      try convert(copy, "there.gguf", options)
    }
    options.replacesOutput = true
    try convert(copy, "there.gguf", options)
    let written = try GGUFFile(path: folder.path + "/there.gguf")
    #expect(written.names == (try GGUFFile(path: Self.model).names))
  }

  @Test func `stopping leaves nothing behind`() throws {
    let converter = ModelConverter(try ModelSource(path: Self.model), options: options(.q8_0))
    var asked = 0
    #expect(throws: ConversionError.cancelled) {
      try converter.convert(
        to: folder.path + "/out.gguf",
        isCancelled: {
          asked += 1
          return asked > 5
        })
    }
    #expect(try folder.names() == [])
  }

  @Test func `threads do not change the result`() throws {
    var one = options(.q8_0)
    try convert(Self.model, "one.gguf", one)
    one.threadCount = 3
    try convert(Self.model, "three.gguf", one)
    let url = URL(fileURLWithPath: folder.path)
    #expect(
      try Data(contentsOf: url.appendingPathComponent("one.gguf"))
        == Data(contentsOf: url.appendingPathComponent("three.gguf")))
  }
}
