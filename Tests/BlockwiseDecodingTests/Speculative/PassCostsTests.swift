import BlockwiseDecoding
import Testing

/// What is thought of passes that were not measured beforehand.
@Suite struct PassCostsTests {
  private func costs(singles: [Double]) -> PassCosts {
    var costs = PassCosts(nil)
    for seconds in singles { costs.record(rows: 1, seconds: seconds) }
    return costs
  }

  @Test func `a row costs a twelfth at first, and what a row of the prompt cost if that was more`() {
    var costs = costs(singles: [1, 1, 1, 1])
    #expect(costs.isKnown && !costs.areRowsKnown)
    #expect(abs(costs.curve.relativeCost(rows: 13) - 2) < 1e-9)
    costs.record(promptRows: 60, seconds: 60 * 0.2)
    #expect(abs(costs.curve.relativeCost(rows: 6) - 2) < 1e-9)
    // A prompt that was read much faster does not make rows free.
    costs.record(promptRows: 60, seconds: 1)
    #expect(abs(costs.curve.relativeCost(rows: 13) - 2) < 1e-9)
    // The first pass of a process is no measure, and neither are a few rows.
    costs.record(promptRows: 60, seconds: 6000)
    #expect(abs(costs.curve.relativeCost(rows: 5) - 2) < 1e-9)
    costs.record(promptRows: 4, seconds: 0.01)
    #expect(abs(costs.curve.relativeCost(rows: 5) - 2) < 1e-9)
  }

  @Test func `what is measured of some rows speaks for others as well`() {
    var costs = costs(singles: [1, 1])
    costs.record(rows: 8, seconds: 1 + 7 * 0.4)
    #expect(costs.areRowsKnown)
    // Without that a pass of 8 rows would make one of 32 look cheap, and that one every smaller one.
    for rows in [2, 4, 8, 16, 32, 64] {
      #expect(abs(costs.curve.relativeCost(rows: rows) - (1 + Double(rows - 1) * 0.4)) < 1e-9, "\(rows)")
    }
    costs.record(rows: 2, seconds: 1.1)
    #expect(abs(costs.curve.relativeCost(rows: 2) - 1.1) < 1e-9)
    #expect(abs(costs.curve.relativeCost(rows: 8) - 3.8) < 1e-9)
  }

  @Test func `passes that were disturbed are no end of guessing`() {
    var costs = costs(singles: [1, 1, 5, 1, 1])
    costs.record(rows: 2, seconds: 1.2)
    costs.record(rows: 2, seconds: 9)
    costs.record(rows: 2, seconds: 1.3)
    #expect(abs(costs.curve.relativeCost(rows: 2) - 1.3) < 1e-9)
    costs = self.costs(singles: [1, 1])
    costs.record(rows: 2, seconds: 9)
    #expect(costs.curve.relativeCost(rows: 2) > 8)
    for _ in 0..<64 { costs.record(rows: 1, seconds: 1) }
    #expect(costs.curve.relativeCost(rows: 2) < 1.2)
  }

  @Test func `a curve that is given is not changed`() throws {
    let given = try #require(
      CostCurve([
        CostCurve.Point(rowCount: 1, milliseconds: 10), CostCurve.Point(rowCount: 8, milliseconds: 20),
      ]))
    var costs = PassCosts(given)
    for _ in 0..<9 { costs.record(rows: 1, seconds: 7) }
    costs.record(rows: 8, seconds: 7)
    costs.record(promptRows: 100, seconds: 900)
    #expect(costs.curve == given && costs.singleSeconds == 0.01)
  }
}
