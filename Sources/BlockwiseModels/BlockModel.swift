/// A network that evaluates blocks of rows against caches: one pass reads every weight once for all rows.
///
/// Decoders are written against this protocol, so that they run alike on checkpoints and on the exact table models
/// of the tests, alone or merged with other requests' rows by a scheduler.
public protocol BlockModel: Sendable {
  /// What the model is able to do.
  var traits: ModelTraits { get }

  /// Where tasks run best that go from pass to pass: on the thread of the passes, so that no other has to be woken. Nil
  /// when any thread is as good.
  var preferredExecutor: (any TaskExecutor)? { get }

  /// A new empty cache for one sequence.
  /// - Parameter contextLength: most slots and positions; at most (and by default) the model's context.
  func makeCache(contextLength: Int?) throws -> CacheHandle

  /// One pass over the rows of one or many sequences.
  ///
  /// The rows' keys and values are in the caches afterwards, as their ``RowWrite`` says. A row's results do not depend
  /// on the other rows of the batch. When an error is thrown, the caches are as before.
  /// - Parameters:
  ///   - batch: plans with their caches, each cache at most once.
  ///   - result: receives one entry per plan; its memory is reused from pass to pass.
  /// - Throws: ``PlanError`` for plans that cannot be evaluated, ``CacheError`` when memory runs out.
  func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws
}

extension BlockModel {
  /// Any thread.
  public var preferredExecutor: (any TaskExecutor)? { nil }

  /// A new empty cache for the model's whole context.
  public func makeCache() throws -> CacheHandle { try makeCache(contextLength: nil) }
}

/// The rows of one sequence and the cache they are evaluated against.
public struct SequencePass: Sendable {
  /// The rows.
  public var plan: BlockPlan
  /// The sequence they belong to.
  public var cache: CacheHandle

  /// Pairs a plan with its cache.
  public init(plan: BlockPlan, cache: CacheHandle) {
    self.plan = plan
    self.cache = cache
  }
}
