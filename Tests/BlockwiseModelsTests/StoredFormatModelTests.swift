import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// GGUF files of every block type against the same file written out in f32.
@Suite struct StoredFormatModelTests {
  static let types = StoredBlockFormat.allCases.compactMap { TensorType.ggml($0.rawValue) }
  /// Those that the kernels compute with as they are.
  static let direct = [WeightFormat.q4_K, .q5_K, .q6_K].compactMap { TensorType.ggml($0.rawValue) }
  static let matrices: [(name: String, rows: Int)] = [
    ("token_embd.weight", 48), ("output.weight", 48), ("blk.0.attn_q.weight", 256),
    ("blk.0.attn_k.weight", 128), ("blk.0.attn_v.weight", 128), ("blk.0.attn_output.weight", 256),
    ("blk.0.ffn_gate.weight", 256), ("blk.0.ffn_up.weight", 256), ("blk.0.ffn_down.weight", 256),
  ]

  /// A Llama of one layer, with matrices of one type and the same in f32.
  static func files(_ type: TensorType, isTied: Bool) -> (blocks: GGUFBuilder, floats: GGUFBuilder) {
    var random = SplitMix(seed: UInt64(type.ggmlID ?? 0))
    var blocks = GGUFBuilder()
    blocks.metadata = [
      ("general.architecture", .string("llama")), ("llama.embedding_length", .integer(UInt32(256))),
      ("llama.block_count", .integer(UInt32(1))), ("llama.attention.head_count", .integer(UInt32(4))),
      ("llama.attention.head_count_kv", .integer(UInt32(2))), ("llama.context_length", .integer(UInt32(64))),
      ("llama.feed_forward_length", .integer(UInt32(256))), ("llama.vocab_size", .integer(UInt32(48))),
    ]
    var floats = blocks
    for name in ["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"] {
      let ones = [Float](repeating: 1, count: 256).flatMap { little($0) }
      blocks.tensors.append(.init(name, type: 0, dimensions: [256], bytes: ones))
      floats.tensors.append(.init(name, type: 0, dimensions: [256], bytes: ones))
    }
    for (name, rows) in matrices where !(isTied && name == "output.weight") {
      let bytes = random.blocks(type, count: rows * 256 / type.blockElementCount, bound: 1)
      let dimensions = [256, UInt64(rows)]
      blocks.tensors.append(.init(name, type: type.ggmlID ?? 0, dimensions: dimensions, bytes: bytes))
      floats.tensors.append(
        .init(name, type: 0, dimensions: dimensions, bytes: type.floats(bytes).flatMap { little($0) }))
    }
    return (blocks, floats)
  }

  static func little(_ x: Float) -> [UInt8] { withUnsafeBytes(of: x.bitPattern.littleEndian, Array.init) }

  static func load(
    _ file: String, compute: ModelLoadOptions.Compute = .f32, memoryLimit: Int? = nil,
    keepsBlocks: Bool? = nil
  ) throws -> DecoderModel {
    try DecoderModel.load(
      ModelSource(path: file),
      options: ModelLoadOptions(
        compute: compute, threadCount: 2, memoryLimit: memoryLimit, keepsBlocks: keepsBlocks))
  }

  @Test(arguments: types + direct, [false, true])
  func `a model computes as if its file were written in f32`(type: TensorType, isTied: Bool) async throws {
    let folder = try TemporaryFolder()
    let (blocks, floats) = Self.files(type, isTied: isTied)
    let tokens = (0..<12).map { TokenID(($0 * 7 + 3) % 48) }
    let found = try await ParityTests.logits(
      Self.load(folder.write("blocks.gguf", blocks.bytes())), tokens, pieces: [tokens.count])
    let expected = try await ParityTests.logits(
      Self.load(folder.write("floats.gguf", floats.bytes())), tokens, pieces: [tokens.count])
    switch type.residentFormat {
    case .i4, .i4m, .i5m, .q4_K, .q5_K, .q6_K: #expect(found == expected)
    default:
      // Integer weights are summed under their scale, so sums round in another order.
      #expect(relativeDifference(Array(found.joined()), Array(expected.joined())) <= ParityTests.bound)
    }
    #expect(found.joined().contains { $0 != 0 } && found.joined().allSatisfy(\.isFinite))
  }

  @Test(arguments: types)
  func `a model of blocks has integers in memory, and computes with int8 activations`(type: TensorType)
    throws
  {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", Self.files(type, isTied: false).blocks.bytes())
    let resident = try #require(type.residentFormat)
    let model = try Self.load(path, compute: .auto)
    #expect(!model.summary.keepsBlocks)
    #expect(model.summary.formats.keys.sorted { $0.rawValue < $1.rawValue } == [resident])
    #expect(model.summary.computesInt8)
    let table = try #require(type.byteCount(elementCount: 48 * 256))
    let elementCount = Self.matrices.dropFirst().reduce(0) { $0 + $1.rows * 256 }
    let matrices = try #require(resident.rowByteCount(elementCount: elementCount))
    #expect(model.summary.weightByteCount == table + matrices)
    #expect(
      try DecoderModel.residentByteCount(ModelSource(path: path)).byteCount == table + matrices + 3 * 1024)
  }

  @Test(arguments: types, [false, true])
  func `kept blocks compute the bits of packed ones`(type: TensorType, isTied: Bool) async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", Self.files(type, isTied: isTied).blocks.bytes())
    let tokens = (0..<9).map { TokenID(($0 * 11 + 1) % 48) }
    let kept = try Self.load(path, compute: .auto, keepsBlocks: true)
    let packed = try Self.load(path, compute: .auto, keepsBlocks: false)
    #expect(kept.summary.keepsBlocks && !packed.summary.keepsBlocks)
    #expect(kept.summary.parameterCount == packed.summary.parameterCount)
    #expect(kept.summary.weightByteCount < packed.summary.weightByteCount)
    #expect(
      try kept.summary.weightByteCount + 3 * 1024
        == DecoderModel.residentByteCount(ModelSource(path: path), keepsBlocks: true).byteCount)
    for pieces in [[9], [4, 1, 4]] {
      let found = try await ParityTests.logits(kept, tokens, pieces: pieces)
      let expected = try await ParityTests.logits(packed, tokens, pieces: pieces)
      #expect(found == expected)
    }
  }

  @Test(arguments: [false, true])
  func `memory is counted as it will be, not as the file is`(isTied: Bool) throws {
    let folder = try TemporaryFolder()
    let type = try #require(TensorType.ggml(StoredBlockFormat.q3_K.rawValue))
    let file = try folder.write("a.gguf", Self.files(type, isTied: isTied).blocks.bytes())
    let source = try ModelSource(path: file)
    // Three norms, and the matrices, but an embedding that is no head as in the file.
    let norms = 3 * 1024
    let matrices = (5 * 256 + 2 * 128) * 256
    let packed = try DecoderModel.residentByteCount(source, keepsBlocks: false).byteCount
    #expect(packed == norms + matrices / 256 * 208 + (isTied ? 48 * 208 : 48 * 110 + 48 * 208))
    let kept = try DecoderModel.residentByteCount(source, keepsBlocks: true).byteCount
    #expect(kept == norms + matrices / 256 * 110 + (isTied ? 1 : 2) * 48 * 110)
    #expect(try Self.load(file, keepsBlocks: false).summary.weightByteCount == packed - norms)

    // There is memory enough for tiles here; a limit that three quarters of it fill decides, room for a cache added.
    #expect(try !Self.load(file).summary.keepsBlocks)
    #expect(try !Self.load(file, memoryLimit: packed / 3 * 4 + 8).summary.keepsBlocks)
    #expect(try Self.load(file, memoryLimit: packed).summary.keepsBlocks)
    #expect(throws: ModelError.memory(needed: kept, available: kept - 1, what: "\(file): the weights")) {
      try Self.load(file, memoryLimit: kept - 1)
    }
    #expect(throws: ModelError.memory(needed: packed, available: packed - 1, what: "\(file): the weights")) {
      try Self.load(file, memoryLimit: packed - 1, keepsBlocks: false)
    }
  }

  @Test(arguments: types + direct, KernelVariant.available)
  func `placements tell what becomes of every tensor`(type: TensorType, variant: KernelVariant) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", Self.files(type, isTied: false).blocks.bytes())
    let source = try ModelSource(path: path)
    let stored = type.storedBlockFormat
    for keepsBlocks in [false, true] {
      let placements = try DecoderModel.placements(source, keepsBlocks: keepsBlocks, kernelVariant: variant)
      #expect(placements.map(\.name) == source.weights.names)
      for placement in placements {
        let isMatrix = Self.matrices.contains { $0.name == placement.name }
        let isTable = placement.name == "token_embd.weight"
        #expect(placement.type == (isMatrix ? type : .f32))
        let path: WeightPlacement.Path =
          switch (isMatrix, isTable, keepsBlocks && stored != nil) {
          case (false, _, _): .elements
          case (_, true, _): .rows
          case (_, _, true): .decoded
          default: variant == .scalar ? .scalar : .vector
          }
        #expect(placement.path == path, "\(placement.name)")
        let isKept = path == .decoded || isTable && stored != nil
        #expect(placement.format == (isKept ? nil : placement.type.residentFormat))
        #expect(placement.byteCount >= placement.fileByteCount)
        #expect(isKept == (placement.byteCount == placement.fileByteCount) || stored == nil || !isMatrix)
        #expect(
          placement.isFallback
            == (path == .decoded || path == .scalar || path == .vector && stored != nil))
      }
      let total = placements.reduce(0) { $0 + $1.byteCount }
      #expect(try total == DecoderModel.residentByteCount(source, keepsBlocks: keepsBlocks).byteCount)
    }
  }

  @Test func `damaged files of block types are refused with a typed error or run`() async throws {
    let folder = try TemporaryFolder()
    var refused = 0
    var ran = 0
    for seed in UInt64(1)...230 {
      var random = SplitMix(seed: seed)
      let bytes = Self.files(Self.types[Int(seed) % Self.types.count], isTied: seed % 3 == 0).blocks.bytes()
      // Most of a file is weights; the front, where the lies are told, gets its share.
      let end = seed % 2 == 0 ? min(1200, bytes.count) : bytes.count
      let path = try folder.write("a.gguf", random.damaged(Array(bytes[..<end])) + bytes[end...])
      do {
        let model = try Self.load(path, memoryLimit: 64 << 20)
        _ = try await ParityTests.logits(model, [1, 2, 3], pieces: [3])
        ran += 1
      } catch let error as ModelError {
        #expect(!error.description.isEmpty, "seed \(seed)")
        refused += 1
      } catch let error as ModelFileError {
        #expect(!error.description.isEmpty, "seed \(seed)")
        refused += 1
      }
    }
    #expect(refused > 40 && ran > 20, "\(refused) refused, \(ran) ran")
  }

  @Test func `a factor beside NVFP4 weights is refused, not ignored`() throws {
    let folder = try TemporaryFolder()
    let type = try #require(TensorType.ggml(StoredBlockFormat.nvfp4.rawValue))
    var file = Self.files(type, isTied: false).blocks
    file.tensors.append(.init("blk.0.ffn_up.scale", type: 0, dimensions: [1], bytes: Self.little(0.5)))
    let path = try folder.write("a.gguf", file.bytes())
    #expect(throws: ModelError.unsupported("blk.0.ffn_up.scale beside weights of NVFP4", file: path)) {
      try Self.load(path)
    }
  }

  @Test func `types that hold no weights are refused by name`() throws {
    let folder = try TemporaryFolder()
    let type = try #require(TensorType.ggml(15))
    var file = Self.files(.f32, isTied: false).blocks
    for index in file.tensors.indices where file.tensors[index].name == "blk.0.ffn_up.weight" {
      file.tensors[index].type = 15
      file.tensors[index].bytes = [UInt8](repeating: 0, count: 256 * type.blockByteCount)
    }
    let path = try folder.write("a.gguf", file.bytes())
    let error = #expect(throws: ModelError.self) { try Self.load(path) }
    let text = error?.description ?? ""
    #expect(text.contains("blk.0.ffn_up.weight") && text.contains("Q8_K") && text.contains("IQ4_XS"))
  }
}
