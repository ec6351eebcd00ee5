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
  private let engine: EngineThread

  init(
    description: ModelDescription, weights: DecoderWeights, options: ModelLoadOptions, kernels: Kernels,
    pool: WorkerPool, contextLength: Int, file: String
  ) throws {
    var configuration = description.configuration
    if let divisors = weights.rotaryDivisors { configuration.rotary.scaling = .divisors(divisors) }
    configuration.contextLength = contextLength
    self.configuration = configuration
    var traits = description.traits
    traits.contextLength = contextLength
    self.traits = traits
    self.weights = weights
    self.kernels = kernels
    self.pool = pool
    mode =
      switch options.compute {
      case .f32: .f32
      case .int8, .auto: .int8
      }
    cacheFormat = options.cacheFormat ?? (options.compute == .f32 ? .f32 : .f16)
    workspace = try DecoderWorkspace(
      configuration: configuration,
      rotary: RotaryTable(configuration.rotary, contextLength: contextLength), workerCount: pool.threadCount)
    engine = try EngineThread()
    summary = ModelSummary(
      family: description.traits.family, file: file, parameterCount: weights.parameterCount,
      weightByteCount: weights.byteCount, formats: weights.formats,
      computesInt8: mode == .int8 && weights.hasQuantizedMatrix, cacheFormat: cacheFormat,
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

  /// One pass; see ``BlockModel/forward(_:into:)``.
  public func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
    try await engine.run { try self.evaluate(batch, into: result) }
  }

  /// One pass on the calling thread, which must be the engine's.
  private func evaluate(_ batch: [SequencePass], into result: BlockResultBuffer) throws {
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
          layerCount: configuration.layerCount, hiddenSize: configuration.hiddenSize))
    }
    // Memory is the last thing that can fail; from here on the caches change.
    try workspace.reserve(rowCount: batch.reduce(0) { $0 + $1.plan.rowCount })
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
    try workspace.reserveScores(
      keyCount: sequences.reduce(0) { max($0, $1.maximumKeyCount) })
    for index in batch.indices { layouts[index].apply(batch[index].plan, to: &lent[index].cache) }
    try DecoderPass(model: self, sequences: sequences, rowCount: firstRow).run(into: result)
  }
}
