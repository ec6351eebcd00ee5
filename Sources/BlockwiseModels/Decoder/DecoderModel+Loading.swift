public import BlockwiseFiles
public import BlockwiseKernels
internal import Foundation

extension DecoderModel {
  /// Loads a checkpoint: reads its configuration, checks that it fits in memory, and packs its weights.
  /// - Parameters:
  ///   - source: an opened folder or file.
  ///   - maskToken: the mask token that the tokenizer knows, for families whose configuration does not name it.
  ///   - companion: a model that is used in turns with this one: both run on its threads, so that going from one to the
  ///     other wakes nobody.
  ///   - progress: called with the share of the work that is done, 0…1.
  /// - Throws: ``ModelError`` and ``ModelFileError``, which name the file, key or tensor.
  public static func load(
    _ source: ModelSource, options: ModelLoadOptions = ModelLoadOptions(), maskToken: TokenID? = nil,
    companion: DecoderModel? = nil, progress: (Double) -> Void = { _ in }
  ) throws -> DecoderModel {
    var (description, store, file) = try describe(source)
    if description.traits.maskToken == nil, let maskToken,
      maskToken.index < description.traits.vocabularyCount
    {
      description.traits.maskToken = maskToken
    }
    let configuration = description.configuration
    let contextLength = options.contextLength ?? configuration.contextLength
    // The default is what the model was made for; yarn and dynamic scaling reach further when that is asked for.
    let longest = configuration.rotary.extendedContext(configuration.contextLength)
    guard (1...longest).contains(contextLength) else {
      throw ModelError.contextLength(requested: contextLength, maximum: longest)
    }
    if let threads = options.threadCount, !(1...1024).contains(threads) {
      throw ModelError.key("threadCount", found: "\(threads)", expected: "1…1024", file: file)
    }
    if let variant = options.kernelVariant, !variant.isAvailable {
      throw ModelError.unsupported("kernel variant \(variant.name) on this machine", file: file)
    }
    var required = RequiredTensors(description)
    try required.check(store)
    let cacheFormat = options.cacheFormat ?? (options.compute == .f32 ? .f32 : .f16)
    let layout = try CacheLayout.checked(configuration, format: cacheFormat, file: file)
    let keepsBlocks = options.keepsBlocks ?? prefersBlocks(store, description, limit: options.memoryLimit)
    try checkMemory(
      weights: residentByteCount(of: store, description, keepsBlocks: keepsBlocks),
      cache: layout.byteCount(slotCount: contextLength),
      contextLength: contextLength,
      limit: options.memoryLimit, hasExplicitContext: options.contextLength != nil, file: file)

    let pool = WorkerPool(
      threadCount: options.threadCount ?? max(1, ProcessInfo.processInfo.activeProcessorCount))
    let kernels = Kernels(options.kernelVariant ?? .best)
    let weights = try DecoderWeights(
      store: store, description: description, pool: pool, keepsBlocks: keepsBlocks, progress: progress)
    return try DecoderModel(
      description: description, weights: weights, options: options, kernels: kernels, pool: pool,
      contextLength: contextLength, file: file, companion: companion)
  }

  /// What a checkpoint is, without reading its weights.
  public static func inspect(_ source: ModelSource) throws -> (
    configuration: DecoderConfiguration, traits: ModelTraits
  ) {
    let description = try describe(source).description
    return (description.configuration, description.traits)
  }

  /// Bytes that the weights of a checkpoint take in memory: those of its file, but more where a block type becomes another
  /// format.
  ///
  /// - Parameter keepsBlocks: as in ``ModelLoadOptions/keepsBlocks``; nil is what loading would do now.
  /// - Throws: ``ModelError`` where the configuration cannot be run.
  public static func residentByteCount(
    _ source: ModelSource, keepsBlocks: Bool? = nil
  ) throws -> (byteCount: Int, keepsBlocks: Bool) {
    let (description, store, _) = try describe(source)
    let keepsBlocks = keepsBlocks ?? prefersBlocks(store, description, limit: nil)
    return (residentByteCount(of: store, description, keepsBlocks: keepsBlocks), keepsBlocks)
  }

  /// What becomes of every tensor of a checkpoint that can be computed with.
  ///
  /// - Parameters:
  ///   - keepsBlocks: as in ``ModelLoadOptions/keepsBlocks``; nil is what loading would do now.
  ///   - kernelVariant: the instruction set; nil is the best that runs here.
  /// - Throws: ``ModelError`` where the configuration cannot be run.
  public static func placements(
    _ source: ModelSource, keepsBlocks: Bool? = nil, kernelVariant: KernelVariant? = nil
  ) throws -> [WeightPlacement] {
    let (description, store, _) = try describe(source)
    return placements(
      of: store, description, keepsBlocks: keepsBlocks ?? prefersBlocks(store, description, limit: nil),
      variant: kernelVariant ?? .best)
  }

  private static func placements(
    of store: any WeightStore, _ description: ModelDescription, keepsBlocks: Bool, variant: KernelVariant
  ) -> [WeightPlacement] {
    store.names.compactMap { name in
      guard let view = try? store.tensor(named: name), let resident = view.type.residentFormat else {
        return nil
      }
      // An embedding of which only rows are read keeps its blocks in any case.
      let isTable = name == description.names.embedding && !description.configuration.tiesEmbeddings
      let staysBlocks = view.type.storedBlockFormat != nil && (keepsBlocks || isTable)
      let format: WeightFormat?
      let path: WeightPlacement.Path
      if view.shape.count < 2 {
        (format, path) = (.f32, .elements)
      } else if isTable {
        (format, path) = (staysBlocks ? nil : resident, .rows)
      } else if staysBlocks {
        (format, path) = (nil, .decoded)
      } else {
        (format, path) = (resident, variant.hasVectorProduct(resident) ? .vector : .scalar)
      }
      let byteCount = format.map { $0.rowByteCount(elementCount: view.elementCount) ?? Int.max }
      return WeightPlacement(
        name: name, type: view.type, format: format, path: path, fileByteCount: view.byteCount,
        byteCount: byteCount ?? view.byteCount)
    }
  }

  private static func residentByteCount(
    of store: any WeightStore, _ description: ModelDescription, keepsBlocks: Bool
  ) -> Int {
    let all = placements(of: store, description, keepsBlocks: keepsBlocks, variant: .scalar)
    return all.reduce(0) { total, placement in
      let (sum, overflow) = total.addingReportingOverflow(placement.byteCount)
      return overflow ? Int.max : sum
    }
  }

  /// Whether the resident formats in place of blocks would leave too little memory for everything else.
  private static func prefersBlocks(
    _ store: any WeightStore, _ description: ModelDescription, limit: Int?
  ) -> Bool {
    guard let available = limit ?? SystemMemory.availableByteCount else { return false }
    let packed = residentByteCount(of: store, description, keepsBlocks: false)
    return packed > available / 4 * 3
      && packed > residentByteCount(of: store, description, keepsBlocks: true)
  }

  /// Whether the weights of a checkpoint are those that its configuration asks for; they are not read.
  /// - Throws: ``ModelError`` and ``ModelFileError``: what ``load(_:options:maskToken:progress:)`` would refuse.
  public static func check(_ source: ModelSource) throws {
    let (description, store, _) = try describe(source)
    var required = RequiredTensors(description)
    try required.check(store)
  }

  /// Everything about a checkpoint but its weights.
  static func description(of source: ModelSource) throws -> ModelDescription {
    try describe(source).description
  }

  private static func describe(
    _ source: ModelSource
  ) throws -> (description: ModelDescription, store: any WeightStore, file: String) {
    switch source {
    case .folder(let folder):
      var description = try ModelFamilies.describe(
        ConfigReader(folder.configuration, file: folder.configurationPath))
      description.names = description.names.located(in: folder.weights)
      // Configurations of multimodal models are silent about it as often as not.
      if description.traits.multimodalArchitecture != nil, !folder.weights.contains(description.names.head) {
        description.configuration.tiesEmbeddings = true
      }
      return (description, folder.weights, folder.path)
    case .gguf(let gguf):
      return (try ModelFamilies.describe(GGUFReader(gguf)), gguf, gguf.path)
    }
  }

  /// Refuses what would not fit, before anything is allocated.
  ///
  /// Weights must fit. A full cache must fit where a context was asked for; a model's own context, which may be far
  /// more than anybody uses, is only refused page by page when memory runs out.
  private static func checkMemory(
    weights: Int, cache: Int, contextLength: Int, limit: Int?, hasExplicitContext: Bool, file: String
  ) throws {
    guard let available = limit ?? SystemMemory.availableByteCount else { return }
    guard weights <= available else {
      throw ModelError.memory(needed: weights, available: available, what: "\(file): the weights")
    }
    let (needed, overflow) = weights.addingReportingOverflow(cache)
    if hasExplicitContext || limit != nil, overflow || needed > available {
      throw ModelError.memory(
        needed: overflow ? Int.max : needed, available: available,
        what: "\(file): the weights and a context of \(contextLength)")
    }
  }
}

extension CacheLayout {
  /// The layout of a model's cache, if one page of it can be counted in bytes.
  fileprivate static func checked(
    _ configuration: DecoderConfiguration, format: CacheFormat, file: String
  ) throws -> CacheLayout {
    let heads = configuration.layerCount.multipliedReportingOverflow(by: configuration.keyValueHeadCount)
    let elements = heads.partialValue.multipliedReportingOverflow(by: configuration.headDimension)
    guard !heads.overflow, !elements.overflow, elements.partialValue < 1 << 40 else {
      throw ModelError.key(
        "num_key_value_heads", found: "\(configuration.keyValueHeadCount)",
        expected: "a cache that can be addressed",
        file: file)
    }
    return CacheLayout(
      layerCount: configuration.layerCount, headCount: configuration.keyValueHeadCount,
      headDimension: configuration.headDimension, format: format)
  }
}
