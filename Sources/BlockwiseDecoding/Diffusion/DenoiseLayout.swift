internal import BlockwiseFiles
internal import BlockwiseModels

/// Where the rows of a diffusion model's passes go: what a family's context looks like, and nothing of policies.
///
/// - *Canvas*: prompt and answer see each other wholly (LLaDA, Dream). All of it lives in the canvas region of the cache; rows
///   that a pass leaves out are seen as they were when they were last computed.
/// - *Grid*: blocks from position 0 see themselves and what lies before (SDAR, Fast-dLLM v2); finished ones are committed.
/// - *Behind the context*: a strictly causal context and an open block behind it that sees everything (NBDiff); a finished
///   block is computed once more, causally, and committed.
struct DenoiseLayout: Sendable {
  enum Kind: Sendable, Hashable {
    case canvas
    case grid(size: Int)
    case behindContext
  }

  let kind: Kind
  /// Whether the row before a position speaks of it.
  let isShifted: Bool
  /// Whether finished blocks are kept in the cache.
  let keepsBlocks: Bool
  /// Whether the open block is kept too, so that parts of it can be computed alone.
  let keepsOpenBlock: Bool
  /// Whether the pass that closes a block looks at the next one.
  let looksAhead: Bool

  /// Whether the first token of a block comes from the last row of what lies before it.
  var carriesToken: Bool { isShifted && kind != .canvas }

  /// A pass that looks at a block.
  /// - Parameters:
  ///   - tokens: the whole sequence.
  ///   - block: positions of the open block; `part` those of its open part.
  ///   - wanted: positions to be spoken of, increasing; those without a row in this pass are left out.
  ///   - shadows: positions that get a shadow row.
  func look(
    _ scope: PassScope, tokens: [TokenID], block: Range<Int>, part: Range<Int>, wanted: [Int], shadows: [Int],
    mask: TokenID, outputs request: OutputRequest
  ) -> DenoisePass {
    var rows: Range<Int>
    switch (kind, scope) {
    case (.canvas, .everything): rows = 0..<tokens.count
    case (.canvas, .fromBlock): rows = block.lowerBound..<tokens.count
    case (.canvas, .block): rows = block
    case (_, .subBlock): rows = part
    case (_, .everything), (_, .fromBlock): rows = keepsBlocks ? block : 0..<block.upperBound
    case (_, .block): rows = block
    }
    if kind == .canvas, isShifted, rows.lowerBound > 0 { rows = rows.lowerBound - 1..<rows.upperBound }
    var plan = BlockPlan(
      tokens: tokens[rows], at: rows.lowerBound, write: .scratch, visibility: .bidirectional)
    if kind == .canvas || keepsOpenBlock { plan.writes = rows.map { .replace(slot: $0) } }
    if kind != .canvas, !keepsBlocks {
      plan.visibility =
        switch kind {
        case .grid(let size): .blockCausal(size: size)
        default: .contextCausal(start: block.lowerBound)
        }
    }
    let shift = isShifted ? 1 : 0
    let spoken = wanted.filter { rows.contains($0 - shift) }
    var outputRows = spoken.map { $0 - shift - rows.lowerBound }
    // A token can only be hidden from its shadow where its row is computed in this pass.
    let shadows = shadows.filter { rows.contains($0) }
    if !shadows.isEmpty {
      let count = rows.count + shadows.count
      var bits = Visibility.RowBits(rowCount: count)
      for row in 0..<count {
        for key in 0..<rows.count {
          // Rows of finished blocks that are computed again see no later ones.
          if case .grid(let size) = kind, row < rows.count,
            (rows.lowerBound + key) / size > (rows.lowerBound + row) / size
          {
            continue
          }
          bits[row, key] = true
        }
      }
      for (index, position) in shadows.enumerated() {
        let row = rows.count + index
        plan.tokens.append(mask)
        plan.positions.append(Int32(position))
        plan.writes.append(.scratch)
        bits[row, position - rows.lowerBound] = false
        bits[row, row] = true
        outputRows.append(row)
      }
      plan.visibility = .bits(bits)
    }
    plan.outputs = request
    plan.outputs.rows = .some(outputRows)
    return DenoisePass(plan: plan, positions: spoken, shadows: shadows)
  }

  /// The pass that makes a finished block part of the context and looks at the next one.
  /// - Parameters:
  ///   - close: the pass that does the first alone; its outputs come first.
  ///   - look: the pass that does the second behind it.
  func merged(_ close: BlockPlan, _ look: BlockPlan) -> BlockPlan {
    var plan = close
    let count = close.rowCount
    let outputs = close.outputs.indices(rowCount: count)
    plan.tokens += look.tokens
    plan.positions += look.positions
    plan.writes += look.writes
    plan.visibility =
      if case .grid(let size) = kind {
        .blockCausal(size: size)
      } else {
        .contextCausal(start: Int(look.positions.first ?? 0))
      }
    plan.outputs.rows = .some(outputs + look.outputs.indices(rowCount: look.rowCount).map { count + $0 })
    return plan
  }

  /// The pass that makes finished positions part of the context; nil where none is needed.
  func close(_ block: Range<Int>, tokens: [TokenID], outputs request: OutputRequest) -> BlockPlan? {
    var outputs = request
    outputs.rows = carriesToken ? .last : .none
    switch kind {
    case .canvas: return nil
    case .grid(let size):
      if keepsBlocks {
        return BlockPlan(
          tokens: tokens[block], at: block.lowerBound, visibility: .bidirectional, outputs: outputs)
      }
      guard carriesToken else { return nil }
      return BlockPlan(
        tokens: tokens[..<block.upperBound], at: 0, write: .scratch, visibility: .blockCausal(size: size),
        outputs: outputs)
    case .behindContext:
      if keepsBlocks { return BlockPlan(tokens: tokens[block], at: block.lowerBound, outputs: outputs) }
      return BlockPlan(tokens: tokens[..<block.upperBound], at: 0, write: .scratch, outputs: outputs)
    }
  }

  /// Where the first block begins behind a prompt.
  func firstBlock(promptCount: Int) -> Int {
    if case .grid(let size) = kind { return promptCount / size * size }
    return promptCount
  }

  /// The passes over the prompt: ranges of positions that can be computed one after the other.
  func prefill(from done: Int, to end: Int, rowCount: Int) -> [Range<Int>] {
    var step = max(1, rowCount)
    if case .grid(let size) = kind { step = max(size, step / size * size) }
    return stride(from: done, to: end, by: step).map { $0..<min($0 + step, end) }
  }

  /// How many tokens of a cache that holds `cached` of the prompt can be used, when so many lie before the first block.
  func usable(cached: Int, before firstBlock: Int) -> Int {
    var unit = 1
    if case .grid(let size) = kind { unit = size }
    // The last row's logits are needed, so it is computed again.
    let limit = carriesToken ? firstBlock - unit : firstBlock
    return max(0, min(cached, limit)) / unit * unit
  }
}

/// A plan and what its outputs speak of: first the wanted positions, then the shadows.
struct DenoisePass {
  var plan: BlockPlan
  var positions: [Int]
  var shadows: [Int]
}
