public import BlockwiseKernels

/// The generic decoder stack over packed weights: every family of checkpoints runs through this.
public final class DecoderModel: BlockModel {
  /// What the model is able to do.
  public let traits: ModelTraits
  /// The switches of the stack.
  public let configuration: DecoderConfiguration
  /// What was loaded and how it is computed.
  public let summary: ModelSummary
  /// How the cache stores keys and values.
  public let cacheFormat: CacheFormat

  let weights: DecoderWeights
  let kernels: Kernels
  let mode: MatmulMode
  let pool: WorkerPool
  let workspace: DecoderWorkspace
  let engine: EngineThread

  init(
    description: ModelDescription, weights: DecoderWeights, options: ModelLoadOptions, kernels: Kernels,
    pool: WorkerPool, contextLength: Int, file: String, companion: DecoderModel? = nil
  ) throws {
    var configuration = description.configuration
    if let scaling = weights.rotaryScaling { configuration.rotary.scaling = scaling }
    configuration.contextLength = contextLength
    self.configuration = configuration
    var traits = description.traits
    traits.contextLength = contextLength
    self.traits = traits
    self.weights = weights
    self.kernels = kernels
    // The weights were packed by a pool of their own, because the companion may be at work.
    let pool = companion?.pool ?? pool
    self.pool = pool
    mode =
      switch options.compute {
      case .f32: .f32
      case .int8, .auto: .int8
      }
    cacheFormat = options.cacheFormat ?? (options.compute == .f32 ? .f32 : .f16)
    workspace = try DecoderWorkspace(
      configuration: configuration, contextLength: contextLength, workerCount: pool.threadCount)
    engine = try companion?.engine ?? EngineThread()
    summary = ModelSummary(
      family: description.traits.family, file: file, parameterCount: weights.parameterCount,
      weightByteCount: weights.byteCount, formats: weights.formats,
      computesInt8: mode == .int8 && weights.hasQuantizedMatrix, keepsBlocks: weights.hasKeptBlocks,
      cacheFormat: cacheFormat,
      kernelVariant: kernels.variant, threadCount: pool.threadCount)
  }

  /// Arrangement of a cache of this model.
  public var cacheLayout: CacheLayout {
    CacheLayout(
      layerCount: configuration.layerCount, headCount: configuration.keyValueHeadCount,
      headDimension: configuration.headDimension, format: cacheFormat)
  }

  /// - Throws: ``ModelError/contextLength(requested:maximum:)`` for lengths outside the model's context.
  public func makeCache(contextLength: Int?) throws -> CacheHandle {
    let length = contextLength ?? configuration.contextLength
    guard (1...configuration.contextLength).contains(length) else {
      throw ModelError.contextLength(requested: length, maximum: configuration.contextLength)
    }
    return CacheHandle(layout: cacheLayout, contextLength: length)
  }

  /// The thread of the passes.
  public var preferredExecutor: (any TaskExecutor)? { engine }

  /// One pass; see ``BlockModel/forward(_:into:)``.
  public func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
    try await engine.run { try self.evaluate(batch, into: result) }
  }

  /// One pass on the calling thread, which must be the engine's.
  private func evaluate(_ batch: [SequencePass], into result: BlockResultBuffer) throws {
    let start = ContinuousClock.now
    var lent: [(handle: CacheHandle, cache: SequenceCache)] = []
    defer { for (handle, cache) in lent { handle.giveBack(cache) } }
    var layouts: [PassLayout] = []
    for pass in batch {
      guard pass.cache.layout == cacheLayout else {
        throw PlanError.cache("a cache of \(pass.cache.layout) in a model that needs \(cacheLayout)")
      }
      guard !lent.contains(where: { $0.handle === pass.cache }) else {
        throw PlanError.cache("the same cache twice in one batch")
      }
      lent.append((pass.cache, try pass.cache.lend()))
      layouts.append(
        try PassLayout(
          plan: pass.plan, cache: lent[lent.count - 1].cache, vocabularyCount: configuration.vocabularyCount,
          layerCount: configuration.layerCount, hiddenSize: configuration.hiddenSize,
          logitCount: configuration.outputCount, readsPairs: configuration.readsPairs))
    }
    // Memory is the last thing that can fail: behind it the caches change.
    try reserveMemory(batch, result)
    for index in batch.indices {
      for range in layouts[index].writtenRanges { try lent[index].cache.makePagesUnique(covering: range) }
    }
    var sequences: [DecoderPass.Sequence] = []
    var firstRow = 0
    for index in batch.indices {
      let plan = batch[index].plan
      sequences.append(
        DecoderPass.Sequence(
          plan: plan, layout: layouts[index], cache: lent[index].cache, firstRow: firstRow,
          configuration: configuration))
      firstRow += plan.rowCount
    }
    let keyCount = sequences.reduce(0) { max($0, $1.maximumKeyCount) }
    try Self.reserving { try workspace.reserveScores(keyCount: keyCount) }
    for index in batch.indices { layouts[index].apply(batch[index].plan, to: &lent[index].cache) }
    DecoderPass(model: self, sequences: sequences, rowCount: firstRow).run(into: result)
    result.timing = workspace.timing
    result.timing.total = (ContinuousClock.now - start).inSeconds
  }

  /// Makes all memory of a pass ready but that of the cache and of attention scores.
  /// - Throws: ``CacheError/outOfMemory(byteCount:)``.
  private func reserveMemory(_ batch: [SequencePass], _ result: BlockResultBuffer) throws {
    let vocabulary = configuration.outputCount
    var rowCount = 0
    var outputCount = 0
    var masksAreUsed = false
    var keptByteCount = 0
    var lastPosition = 0
    for pass in batch {
      rowCount += pass.plan.rowCount
      let outputs = pass.plan.outputs.indices(rowCount: pass.plan.rowCount).count
      outputCount += outputs
      masksAreUsed = masksAreUsed || !pass.plan.outputs.allowed.isEmpty
      if pass.plan.outputs.detail == .logits {
        keptByteCount += outputs * vocabulary * MemoryLayout<Float>.stride
      }
      lastPosition = pass.plan.positions.reduce(lastPosition) { max($0, Int($1)) }
    }
    // Memory is given before it is there, so large blocks are held against what the system has before they are made.
    let large =
      keptByteCount + workspace.rotary.missingByteCount(through: lastPosition)
      + (workspace.windowRotary?.missingByteCount(through: lastPosition) ?? 0)
    if large > 256 << 20, let available = SystemMemory.availableByteCount, large > available {
      throw CacheError.outOfMemory(byteCount: large)
    }
    try Self.reserving {
      try workspace.rotary.extend(through: lastPosition)
      try workspace.windowRotary?.extend(through: lastPosition)
      try result.prepare(batch.lazy.map(\.plan), vocabularyCount: vocabulary)
      try workspace.reserve(rowCount: rowCount)
      try workspace.reserveHead(rowCount: outputCount)
      if masksAreUsed {
        try workspace.reserveAllowed(rowCount: min(outputCount, DecoderWorkspace.headRowLimit))
      }
    }
  }

  /// Says of failed allocations what a caller of ``forward(_:into:)`` can understand.
  private static func reserving(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as AllocationError {
      throw CacheError.outOfMemory(byteCount: error.byteCount ?? .max)
    }
  }
}
