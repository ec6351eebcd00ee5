import BlockwiseConversion
import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct FormatTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let columns = 512
  static let rows = 8

  /// Numbers around 0, a few of them large, as weights are.
  static let weights: [Float] = {
    var random = SplitMix(seed: 7)
    return (0..<rows * columns).map { _ in
      let uniform = (0..<6).reduce(Float(0)) { sum, _ in sum + Float(random.next() >> 40) / 0x1p24 - 0.5 }
      return uniform * 0.05
    }
  }()

  /// A file with matrices of these names.
  private func model(_ names: [String], layerCount: Int = 1) throws -> String {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("general.architecture", .string("llama")), ("llama.block_count", .integer(UInt32(layerCount))),
    ]
    builder.tensors = names.map {
      .init(
        $0, type: 0, dimensions: [UInt64(Self.columns), UInt64(Self.rows)],
        bytes: Self.weights.withUnsafeBytes(Array.init))
    }
    return try folder.write("in.gguf", builder.bytes())
  }

  private func convert(_ path: String, _ options: ConversionOptions) throws -> (ConversionReport, GGUFFile) {
    var options = options
    options.replacesOutput = true
    let output = folder.path + "/out.gguf"
    let report = try ModelConverter(try ModelSource(path: path), options: options).convert(to: output)
    return (report, try GGUFFile(path: output))
  }

  /// Σ weight · error² over Σ weight · value².
  private func error(_ view: TensorView, weights: (Int) -> Float = { _ in 1 }) throws -> Float {
    var values = [Float](repeating: 0, count: view.elementCount)
    let isRead = try values.withUnsafeMutableBufferPointer {
      view.type.decode(
        try #require(view.bytes.baseAddress), elementCount: view.elementCount,
        into: try #require($0.baseAddress))
    }
    #expect(isRead)
    var (sum, scale) = (Float(0), Float(0))
    for index in values.indices {
      let weight = weights(index % Self.columns)
      sum += weight * (values[index] - Self.weights[index]) * (values[index] - Self.weights[index])
      scale += weight * Self.weights[index] * Self.weights[index]
    }
    return sum / scale
  }

  @Test(arguments: QuantizationFormat.allCases)
  func `every format keeps what its bits can keep`(format: QuantizationFormat) throws {
    let path = try model(["blk.0.attn_q.weight", "output.weight"])
    let (report, file) = try convert(path, ConversionOptions(format: format, threadCount: 2))
    let view = try file.tensor(named: "blk.0.attn_q.weight")
    #expect(view.type == format.matrixType)
    #expect(report.notes == [])
    let found = try error(view)
    let bound: Float =
      switch format {
      case .f32: 0
      case .f16: 1e-6
      case .bf16: 1e-5
      case .q8_0: 5e-5
      case .q6_k: 3e-4
      case .q5_0, .q5_1, .q5_k: 2e-3
      default: 9e-3
      }
    #expect(found <= bound, "\(format): \(found)")
    let head = try file.tensor(named: "output.weight").type.name
    switch format {
    case .f32, .f16, .bf16, .q8_0: #expect(head == format.matrixType.name)
    case .q4_k, .q4_k_m, .q5_k, .q6_k: #expect(head == "Q6_K")
    default: #expect(head == "Q8_0")
    }
    #expect(file["general.file_type"]?.integerValue != nil)
  }

  @Test func `the mix q4_k_m gives more bits where errors weigh most`() throws {
    let names = (0..<16).flatMap {
      ["blk.\($0).attn_v.weight", "blk.\($0).ffn_down.weight", "blk.\($0).attn_k.weight"]
    }
    let (report, _) = try convert(
      try model(names + ["blk.3.attn_qkv.weight"], layerCount: 16), ConversionOptions(format: .q4_k_m))
    let types = Dictionary(uniqueKeysWithValues: report.tensors.map { ($0.name, $0.to.name) })
    // The first and last two of sixteen layers, and every third between.
    let more: Set = [0, 1, 4, 7, 10, 13, 14, 15]
    for layer in 0..<16 {
      let expected = more.contains(layer) ? "Q6_K" : "Q4_K"
      #expect(types["blk.\(layer).attn_v.weight"] == expected, "layer \(layer)")
      #expect(types["blk.\(layer).ffn_down.weight"] == expected, "layer \(layer)")
      #expect(types["blk.\(layer).attn_k.weight"] == "Q4_K")
    }
    #expect(types["blk.3.attn_qkv.weight"] == "Q5_K")
  }

  @Test func `rows of 32 but not of 256 fall back to blocks of 32`() throws {
    var builder = GGUFBuilder()
    builder.metadata = [("general.architecture", .string("llama"))]
    builder.tensors = [
      .init("blk.0.attn_q.weight", type: 0, dimensions: [96, 2], bytes: [UInt8](repeating: 0, count: 768))
    ]
    let path = try folder.write("in.gguf", builder.bytes())
    for (format, name) in [
      (QuantizationFormat.q4_k, "Q5_0"), (.q5_k, "Q5_1"), (.q6_k, "Q8_0"), (.iq4_nl, "IQ4_NL"),
    ] {
      let (report, _) = try convert(path, ConversionOptions(format: format))
      #expect(report.tensors[0].to.name == name)
      #expect(report.notes.isEmpty == (format == .iq4_nl), "\(report.notes)")
    }
  }

  @Test func `tensors that were quantised already are reported`() throws {
    let (_, file) = try convert(
      try model(["blk.0.attn_q.weight"]), ConversionOptions(format: .q4_k))
    try FileManager.default.moveItem(atPath: file.path, toPath: folder.path + "/q4.gguf")
    let (report, _) = try convert(folder.path + "/q4.gguf", ConversionOptions(format: .q8_0))
    #expect(report.notes.contains { $0.contains("quantised already") })
    #expect(report.tensors[0].from?.name == "Q4_K")
  }

  // MARK: Importance

  /// Every eighth column matters.
  private static func importance(_ column: Int) -> Float { column % 8 == 0 ? 100 : 0.01 }

  private func matrixFile(
    _ name: String = "blk.0.attn_q.weight", columns: Int = FormatTests.columns, count: Float = 4,
    value: (Int) -> Float = FormatTests.importance
  ) throws -> String {
    var builder = GGUFBuilder()
    builder.metadata = [("general.type", .string("imatrix"))]
    let sums = (0..<columns).map { value($0) * max(count, 1) }
    builder.tensors = [
      .init(
        name + ".in_sum2", type: 0, dimensions: [UInt64(columns), 1],
        bytes: sums.withUnsafeBytes(Array.init)),
      .init(name + ".counts", type: 0, dimensions: [1, 1], bytes: [count].withUnsafeBytes(Array.init)),
    ]
    return try folder.write("imatrix.gguf", builder.bytes())
  }

  @Test func `an importance matrix moves errors to where they matter least`() throws {
    let path = try model(["blk.0.attn_q.weight", "blk.0.attn_k.weight"])
    let (_, plain) = try convert(path, ConversionOptions(format: .q4_k))
    let before = try error(try plain.tensor(named: "blk.0.attn_q.weight"), weights: Self.importance)
    var options = ConversionOptions(format: .q4_k)
    options.importancePath = try matrixFile()
    let (report, weighted) = try convert(path, options)
    let view = try weighted.tensor(named: "blk.0.attn_q.weight")
    #expect(try error(view, weights: Self.importance) < before * 0.7)
    #expect(report.notes.contains { $0.contains("1 of 2 tensors: blk.0.attn_k.weight") }, "\(report.notes)")

    // The older layout says the same.
    let bytes = Array(view.bytes)
    var data: [UInt8] = []
    func append(_ number: Int32) { withUnsafeBytes(of: number.littleEndian) { data += $0 } }
    append(1)
    append(19)
    data += Array("blk.0.attn_q.weight".utf8)
    append(4)
    append(Int32(Self.columns))
    for column in 0..<Self.columns { append(Int32(bitPattern: (Self.importance(column) * 4).bitPattern)) }
    append(1)  // chunks, and the name of a data set, are of no use here
    options.importancePath = try folder.write("imatrix.dat", data)
    let (_, old) = try convert(path, options)
    #expect(Array(try old.tensor(named: "blk.0.attn_q.weight").bytes) == bytes)
  }

  @Test func `an importance matrix of another model, or a damaged one, is refused`() throws {
    let path = try model(["blk.0.attn_q.weight"])
    var options = ConversionOptions(format: .q4_k)
    let files: [() throws -> String] = [
      { try matrixFile(columns: 256) }, { try matrixFile(value: { $0 == 3 ? -1 : 1 }) },
      { try matrixFile(value: { $0 == 3 ? .infinity : 1 }) },
      { try folder.write("text.dat", "hello, world") },
      { try folder.write("short.dat", [1, 0, 0, 0, 200, 0, 0, 0, 65]) },
      { try folder.write("empty.dat", "") }, { path },
    ]
    for (index, file) in files.enumerated() {
      options.importancePath = try file()
      #expect(throws: ConversionError.self, "file \(index)") { try convert(path, options) }
    }
    options.importancePath = folder.path + "/absent.gguf"
    #expect(throws: ModelFileError.self) { try convert(path, options) }
  }

  @Test func `a matrix without counts counts as if all columns were alike`() throws {
    let path = try model(["blk.0.attn_q.weight"])
    var options = ConversionOptions(format: .q4_k)
    options.importancePath = try matrixFile(value: { _ in 1 })
    let (_, alike) = try convert(path, options)
    let bytes = Array(try alike.tensor(named: "blk.0.attn_q.weight").bytes)
    options.importancePath = try matrixFile(count: 0)
    let (_, unknown) = try convert(path, options)
    #expect(Array(try unknown.tensor(named: "blk.0.attn_q.weight").bytes) == bytes)
  }
}
