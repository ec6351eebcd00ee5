public import BlockwiseFiles
internal import Synchronization

/// The cache of one sequence: a handle that decoders pass around and models evaluate against.
///
/// Three regions follow each other: *committed* tokens, which are final; a *canvas*, which survives passes without
/// being committed; and the *scratch* rows of the last pass. Every operation moves all layers and heads as one unit.
/// A pass borrows the cache; operations during a pass fail with ``CacheError/busy``.
public final class CacheHandle: Sendable {
  private enum State {
    case idle(SequenceCache)
    case lent
  }

  private let state: Mutex<State>
  /// Bytes per slot and their arrangement.
  public let layout: CacheLayout
  /// The most slots, and the bound of positions, of this cache.
  public let contextLength: Int

  /// An empty cache; models make it (``BlockModel/makeCache(contextLength:)``).
  package init(layout: CacheLayout, contextLength: Int) {
    self.layout = layout
    self.contextLength = contextLength
    state = Mutex(.idle(SequenceCache(layout: layout, contextLength: contextLength)))
  }

  private init(_ cache: SequenceCache) {
    layout = cache.layout
    contextLength = cache.contextLength
    state = Mutex(.idle(cache))
  }

  /// Number of committed slots.
  public var committedCount: Int { get throws(CacheError) { try read { $0.committedCount } } }
  /// Number of canvas slots.
  public var canvasCount: Int { get throws(CacheError) { try read { $0.canvasCount } } }
  /// Number of scratch rows that the last pass left.
  public var scratchCount: Int { get throws(CacheError) { try read { $0.scratchCount } } }
  /// The committed tokens; −1 stands for a row that was given as a vector.
  public var committedTokens: [TokenID] {
    get throws(CacheError) { try read { Array($0.tokens.prefix($0.committedCount)) } }
  }
  /// Bytes of the memory pages this sequence refers to; pages that forks share count for each of them.
  public var byteCount: Int { get throws(CacheError) { try read { $0.byteCount } } }

  /// Keeps the scratch rows with these indices (in increasing order) behind the committed sequence, drops the others.
  ///
  /// Bytes move and are not rounded again, so the cache equals the one that plain decoding of the same tokens leaves.
  public func commit(scratchRows rows: [Int]) throws(CacheError) {
    try edit { (cache) throws(CacheError) in try cache.commit(scratchRows: rows) }
  }

  /// Makes the first `count` canvas slots (all of them by default) part of the committed sequence.
  public func commitCanvas(count: Int? = nil) throws(CacheError) {
    try edit { (cache) throws(CacheError) in try cache.commitCanvas(count: count ?? cache.canvasCount) }
  }

  /// Drops canvas and scratch: the committed sequence stays.
  public func rollback() throws(CacheError) {
    try edit { (cache) throws(CacheError) in cache.rollback() }
  }

  /// Drops committed slots from `length` on, and canvas and scratch.
  public func truncate(to length: Int) throws(CacheError) {
    try edit { (cache) throws(CacheError) in try cache.truncate(to: length) }
  }

  /// A second sequence with the same contents; memory is shared until either of them writes.
  public func fork() throws(CacheError) -> CacheHandle {
    CacheHandle(try read { $0 })
  }

  // MARK: Passes

  /// Takes the cache for a pass.
  package func lend() throws(CacheError) -> SequenceCache {
    let cache: SequenceCache? = state.withLock { state in
      guard case .idle(let cache) = state else { return nil }
      state = .lent
      return cache
    }
    guard let cache else { throw .busy }
    return cache
  }

  /// Gives the cache back after a pass.
  package func giveBack(_ cache: SequenceCache) {
    state.withLock { $0 = .idle(cache) }
  }

  /// Reads the contents between passes.
  package func read<T: Sendable>(_ body: (SequenceCache) -> T) throws(CacheError) -> T {
    let value: T? = state.withLock { state in
      guard case .idle(let cache) = state else { return nil }
      return body(cache)
    }
    guard let value else { throw .busy }
    return value
  }

  private func edit(_ body: (inout SequenceCache) throws(CacheError) -> Void) throws(CacheError) {
    var cache = try lend()
    defer { giveBack(cache) }
    try body(&cache)
  }
}
