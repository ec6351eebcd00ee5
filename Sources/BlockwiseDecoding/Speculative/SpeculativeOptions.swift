/// How a speculative generation runs and when it ends.
public struct SpeculativeOptions: Sendable {
  /// Everything that plain decoding knows as well.
  public var plain: AutoregressiveOptions
  /// Where guesses come from, with names for statistics; at most 64.
  public var sources: [(name: String, source: any DraftSource)]
  /// Which guesses go into a pass.
  public var shape: any TreeShaper
  /// What becomes of them.
  public var accept: any AcceptRule
  /// What passes cost on this machine; nil learns it from the passes.
  public var costCurve: CostCurve?

  /// What a step of a draft model or of heads is taken to cost, in passes of one row; nil measures it.
  public var stepCost: Double?

  /// What earlier generations of the same conversation have learned, and where this one leaves it; nil begins anew.
  public var memory: DraftMemory?

  /// Options; see the members.
  public init(
    plain: AutoregressiveOptions = AutoregressiveOptions(),
    sources: [(name: String, source: any DraftSource)],
    shape: any TreeShaper = CostShaper(), accept: any AcceptRule = ExactAcceptance(),
    costCurve: CostCurve? = nil, memory: DraftMemory? = nil
  ) {
    self.plain = plain
    self.sources = sources
    self.shape = shape
    self.accept = accept
    self.costCurve = costCurve
    self.memory = memory
  }
}
