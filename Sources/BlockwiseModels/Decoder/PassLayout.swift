internal import BlockwiseFiles

/// Where the rows of a checked plan go in its sequence's cache.
///
/// Building one checks the whole plan against the cache, so that nothing behind it can fail but memory.
struct PassLayout {
  /// Slot of every row.
  var slots: [Int] = []
  /// Slots that lie behind those that stay, in the order in which they are added: rows and regions.
  var added: [(row: Int, region: SequenceCache.Region)] = []
  /// Slots from here on are written by this pass or do not hold their own position.
  var prefixCount = 0
  /// Total slots when the pass has run.
  var slotCount = 0

  init(
    plan: BlockPlan, cache: SequenceCache, vocabularyCount: Int, layerCount: Int, hiddenSize: Int,
    logitCount: Int? = nil, readsPairs: Bool = false
  ) throws(PlanError) {
    try Self.checkLengths(plan)
    try Self.checkRows(
      plan, contextLength: cache.contextLength, vocabularyCount: vocabularyCount, readsPairs: readsPairs)
    try Self.checkVisibility(plan)
    try Self.checkOutputs(
      plan, vocabularyCount: logitCount ?? vocabularyCount, layerCount: layerCount, hiddenSize: hiddenSize)

    let committed = cache.committedCount
    let kept = committed + cache.canvasCount
    let appends = plan.writes.reduce(0) { $0 + ($1 == .append ? 1 : 0) }
    slots = Array(repeating: -1, count: plan.rowCount)
    prefixCount = cache.positionsAreSlots ? committed : 0
    var appended = 0
    var canvasEnd = kept
    var replaced: Set<Int> = []
    var canvasRows: [Int] = []
    var scratchRows: [Int] = []
    for (row, write) in plan.writes.enumerated() {
      switch write {
      case .append:
        guard cache.canvasCount == 0, canvasRows.isEmpty else { throw .appendBehindCanvas(row: row) }
        slots[row] = committed + appended
        appended += 1
        added.append((row, .committed))
      case .replace(let slot):
        guard (0...canvasEnd).contains(slot), replaced.insert(slot).inserted else {
          throw .slot(row: row, slot: slot, slotCount: canvasEnd)
        }
        if slot == canvasEnd {
          guard appends == 0 else { throw .appendBehindCanvas(row: row) }
          canvasEnd += 1
          canvasRows.append(row)
        }
        slots[row] = slot
        prefixCount = min(prefixCount, slot)
      case .scratch: scratchRows.append(row)
      }
    }
    for row in canvasRows { added.append((row, .canvas)) }
    slotCount = canvasEnd + appends
    for row in scratchRows {
      slots[row] = slotCount
      slotCount += 1
      added.append((row, .scratch))
    }
    // Scratch rows are bounded by their positions alone: a wide tree may stand at the very end of the context.
    let lasting = slotCount - scratchRows.count
    guard lasting <= cache.contextLength else {
      throw .contextFull(needed: lasting, contextLength: cache.contextLength)
    }
  }

  /// The pass as the rule of visibility sees it.
  func visibilityPass(plan: BlockPlan, cache: SequenceCache) -> VisibleKeys.Pass {
    let kept = cache.committedCount + cache.canvasCount
    var positions = Array(cache.positions.prefix(kept))
    positions.append(contentsOf: repeatElement(0, count: slotCount - kept))
    var rows = [Int32](repeating: -1, count: slotCount - prefixCount)
    for (row, slot) in slots.enumerated() {
      positions[slot] = plan.positions[row]
      rows[slot - prefixCount] = Int32(row)
    }
    return VisibleKeys.Pass(
      slotPositions: positions, prefixCount: prefixCount, slotRows: rows, rowPositions: plan.positions,
      rowSlots: slots, visibility: plan.visibility)
  }

  /// The slots that the pass writes, as ranges.
  var writtenRanges: [Range<Int>] {
    var ranges: [Range<Int>] = []
    for slot in slots.sorted() {
      if let last = ranges.last, last.upperBound == slot {
        ranges[ranges.count - 1] = last.lowerBound..<slot + 1
      } else {
        ranges.append(slot..<slot + 1)
      }
    }
    return ranges
  }

  /// Enters the rows into the cache, whose pages are there already.
  func apply(_ plan: BlockPlan, to cache: inout SequenceCache) {
    cache.discardScratch()
    for row in plan.writes.indices {
      if case .replace = plan.writes[row], slots[row] < cache.slotCount {
        cache.replaceSlot(slots[row], token: Self.token(plan, row), position: plan.positions[row])
      }
    }
    for (row, region) in added {
      cache.addSlot(token: Self.token(plan, row), position: plan.positions[row], region: region)
    }
  }

  private static func token(_ plan: BlockPlan, _ row: Int) -> TokenID {
    plan.embeddings?.rows.contains(row) == true ? -1 : plan.tokens[row]
  }

  private static func checkLengths(_ plan: BlockPlan) throws(PlanError) {
    guard plan.positions.count == plan.rowCount, plan.writes.count == plan.rowCount else {
      throw .lengths(tokens: plan.rowCount, positions: plan.positions.count, writes: plan.writes.count)
    }
    guard plan.rowCount > 0 else { throw .empty }
  }

  private static func checkRows(
    _ plan: BlockPlan, contextLength: Int, vocabularyCount: Int, readsPairs: Bool
  ) throws(PlanError) {
    if readsPairs, plan.embeddings?.rows != Array(0..<plan.rowCount) {
      throw .embeddings("every row of this model is a token and a vector")
    }
    for row in 0..<plan.rowCount {
      guard (0..<contextLength).contains(Int(plan.positions[row])) else {
        throw .position(row: row, position: Int(plan.positions[row]), contextLength: contextLength)
      }
      guard
        !readsPairs && plan.embeddings?.rows.contains(row) == true
          || (0..<vocabularyCount).contains(plan.tokens[row].index)
      else { throw .token(row: row, token: plan.tokens[row].index, vocabularyCount: vocabularyCount) }
    }
  }

  private static func checkVisibility(_ plan: BlockPlan) throws(PlanError) {
    switch plan.visibility {
    case .causal, .bidirectional, .contextCausal: break
    case .blockCausal(let size, let anchor):
      guard (1...1 << 31).contains(size), (-(1 << 40)...1 << 40).contains(anchor) else {
        throw .visibility("blocks of \(size) at \(anchor), expected a size of 1…2³¹")
      }
    case .ancestors(let parents):
      guard parents.count == plan.rowCount else {
        throw .visibility("\(parents.count) parents for \(plan.rowCount) rows")
      }
      for (row, parent) in parents.enumerated() where parent < -1 || parent >= row {
        throw .visibility("parent \(parent) of row \(row), expected −1 or an earlier row")
      }
    case .bits(let bits):
      guard bits.rowCount == plan.rowCount else {
        throw .visibility("a matrix for \(bits.rowCount) rows, the plan has \(plan.rowCount)")
      }
    }
  }

  private static func checkOutputs(
    _ plan: BlockPlan, vocabularyCount: Int, layerCount: Int, hiddenSize: Int
  ) throws(PlanError) {
    let outputCount = plan.outputs.indices(rowCount: plan.rowCount).count
    guard [0, 1, outputCount].contains(plan.outputs.allowed.count) else {
      throw .outputs(
        "\(plan.outputs.allowed.count) masks for \(outputCount) outputs, expected none, one or one each")
    }
    if let mask = plan.outputs.allowed.first(where: { $0.vocabularyCount != vocabularyCount }) {
      throw .outputs("a mask of \(mask.vocabularyCount) tokens for a vocabulary of \(vocabularyCount)")
    }
    if case .some(let rows) = plan.outputs.rows {
      guard zip(rows, rows.dropFirst()).allSatisfy({ $0 < $1 }),
        rows.first.map({ $0 >= 0 }) ?? true, rows.last.map({ $0 < plan.rowCount }) ?? true
      else { throw .outputs("rows \(rows) do not increase within 0..<\(plan.rowCount)") }
    }
    for case .layer(let layer) in plan.outputs.taps where !(0..<layerCount).contains(layer) {
      throw .outputs("a tap of layer \(layer), the model has \(layerCount)")
    }
    if case .perLayer(let positions) = plan.keys {
      guard positions.count == layerCount else {
        throw .keys("\(positions.count) entries for \(layerCount) layers")
      }
      for layer in positions where !zip(layer, layer.dropFirst()).allSatisfy({ $0 < $1 }) {
        throw .keys("positions do not increase")
      }
    }
    if let embeddings = plan.embeddings {
      guard embeddings.vectors.count == embeddings.rows.count * hiddenSize else {
        throw .embeddings(
          "\(embeddings.vectors.count) numbers for \(embeddings.rows.count) vectors of \(hiddenSize)")
      }
      guard zip(embeddings.rows, embeddings.rows.dropFirst()).allSatisfy({ $0 < $1 }),
        embeddings.rows.allSatisfy({ (0..<plan.rowCount).contains($0) })
      else { throw .embeddings("rows \(embeddings.rows) do not increase within 0..<\(plan.rowCount)") }
    }
  }
}
