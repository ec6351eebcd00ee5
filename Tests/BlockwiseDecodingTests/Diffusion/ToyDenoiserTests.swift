import BlockwiseDecoding
import BlockwiseFiles
import Foundation
import Testing

/// Policies on denoisers whose conditional distributions are known: results worked out by enumeration.
@Suite struct ToyDenoiserTests {
  struct Expectation: Sendable, CustomTestStringConvertible {
    var toy: String
    var recipe: String
    var isValid: Bool
    var passCount: Int
    var testDescription: String { "\(toy) \(recipe)" }
  }

  static func toy(_ name: String) -> ToyDenoiser {
    switch name {
    case "copy 6": .copy(6)
    case "replace 6": .replace(6)
    case "replace 15": .replace(15)
    case "remove 6": .remove(6)
    case "insert 6": .insert(6)
    case "shuffle 5": .shuffle(5)
    default: .latinSquare
    }
  }

  /// Greedy choice; ties go to the lowest token and the leftmost position.
  static let expectations: [Expectation] = {
    let recipes = [
      "quota(0)", "quota2", "threshold(-1)", "threshold(0.9)", "threshold(0.6)", "factor(1)", "eb(0.001)",
      "leap(0.9,0.75,4)",
    ]
    // Valid or not, passes: in the order of the recipes.
    let table: [(String, [(Bool, Int)])] = [
      ("copy 6", [(true, 6), (true, 3), (true, 1), (true, 1), (true, 1), (true, 1), (true, 1), (true, 1)]),
      (
        "replace 6",
        [(true, 6), (false, 3), (false, 1), (true, 6), (false, 1), (true, 2), (true, 6), (true, 6)]
      ),
      (
        "replace 15",
        [(true, 15), (true, 8), (false, 1), (false, 1), (false, 1), (true, 2), (true, 15), (false, 1)]
      ),
      ("remove 6", [(true, 5), (true, 3), (true, 1), (true, 5), (true, 2), (true, 3), (true, 5), (true, 5)]),
      (
        "insert 6", [(true, 7), (true, 4), (false, 1), (true, 7), (true, 3), (true, 4), (true, 7), (true, 7)]
      ),
      (
        "shuffle 5",
        [(true, 5), (false, 3), (false, 1), (true, 5), (true, 5), (true, 5), (true, 5), (true, 5)]
      ),
      (
        "latin 4",
        [(true, 16), (false, 8), (false, 1), (true, 12), (true, 11), (true, 11), (true, 9), (true, 12)]
      ),
    ]
    return table.flatMap { toy, results in
      zip(recipes, results).map { recipe, result in
        // Two in a pass: half as many passes as slots, rounded up.
        let count = Self.toy(toy).count
        let commit = recipe == "quota2" ? "quota(\((count + 1) / 2))" : recipe
        return Expectation(toy: toy, recipe: commit, isValid: result.0, passCount: result.1)
      }
    }
  }()

  @Test(arguments: expectations)
  func `greedy decoding of a toy gives the known result in the known number of passes`(
    expectation: Expectation
  ) async throws {
    let toy = Self.toy(expectation.toy)
    let outcome = try await denoise(
      toy.model, try .test("block=whole commit=\(expectation.recipe)"), prompt: toy.prompt, count: toy.count)
    #expect(toy.isValid(outcome.tokens) == expectation.isValid, "\(outcome.tokens)")
    #expect(outcome.statistics.forwardCount == expectation.passCount)
    #expect(outcome.tokens.count == toy.count)
  }

  /// Share of valid outputs when tokens are drawn, `k` at a time from left to right.
  private func accuracy(_ toy: ToyDenoiser, _ k: Int, runs: Int) async throws -> Double {
    var right = 0
    for seed in 0..<runs {
      let outcome = try await denoise(
        toy.model, try .test("block=whole commit=sequential(\(k))"), prompt: toy.prompt, count: toy.count,
        sampling: SamplingOptions(temperature: 1, seed: UInt64(seed)))
      right += toy.isValid(outcome.tokens) ? 1 : 0
    }
    return Double(right) / Double(runs)
  }

  /// ParallelBench's closed forms; bounds of 3.5 standard deviations.
  @Test(arguments: [
    ("shuffle", 4, 4, 0.09375), ("shuffle", 4, 2, 0.375), ("shuffle", 5, 5, 0.0384),
    ("replace", 4, 4, 0.421875),
    ("replace", 4, 2, 0.65625), ("replace", 6, 3, 0.60418), ("replace", 6, 6, 0.40188), ("replace", 6, 1, 1),
  ])
  func `drawing several tokens at once is right as often as the closed form says`(
    task: String, n: Int, k: Int, expected: Double
  ) async throws {
    let toy: ToyDenoiser = task == "shuffle" ? .shuffle(n, allowsIdentity: true) : .replace(n)
    let runs = 1500
    let found = try await accuracy(toy, k, runs: runs)
    let deviation = (expected * (1 - expected) / Double(runs)).squareRoot()
    #expect(abs(found - expected) <= 3.5 * deviation + 1e-4, "\(found), expected \(expected)")
  }

  @Test func `a random order is another one with another seed and the same with the same`() async throws {
    let toy = ToyDenoiser.latinSquare
    func order(_ seed: UInt64) async throws -> [[TokenID]] {
      var states: [[TokenID]] = []
      _ = try await denoise(
        toy.model, try .test("block=whole score=random"), prompt: toy.prompt,
        canvas: Array(repeating: nil, count: toy.count), sampling: SamplingOptions(seed: seed)
      ) { states.append($0) }
      return states
    }
    let (first, second, third) = (try await order(1), try await order(1), try await order(2))
    #expect(first == second)
    #expect(first != third)
    #expect(first.count == toy.count)
  }

  @Test func `the original sampler of Dream decides everything in its steps`() async throws {
    let toy = ToyDenoiser.copy(12)
    for seed in 0..<20 as Range<UInt64> {
      let outcome = try await denoise(
        toy.model, try .test("block=whole commit=origin(4)"), prompt: toy.prompt, count: toy.count,
        sampling: SamplingOptions(seed: seed))
      #expect(outcome.statistics.forwardCount <= 4)
      #expect(toy.isValid(outcome.tokens))
    }
  }

  @Test func `a sudoku with one solution is solved in one pass, one with several validly by certainty`()
    async throws
  {
    let sudoku = ToyDenoiser.sudoku
    #expect(sudoku.outputs.count == 288)
    for (index, solution) in sudoku.outputs.enumerated() where index % 37 == 0 {
      // Clues are taken away as long as the solution stays the only one.
      var clues = Set(0..<16)
      func fitting() -> [[Int]] {
        sudoku.outputs.filter { grid in clues.allSatisfy { grid[$0] == solution[$0] } }
      }
      for cell in (0..<16).map({ ($0 * 7 + index) % 16 }) {
        clues.remove(cell)
        if fitting().count > 1 { clues.insert(cell) }
      }
      func canvas() -> [TokenID?] { (0..<16).map { clues.contains($0) ? TokenID(solution[$0]) : nil } }
      let solved = try await denoise(
        sudoku.model, .test("block=whole commit=threshold(0.99)"), prompt: sudoku.prompt, canvas: canvas())
      #expect(solved.tokens.map { Int($0.rawValue) } == solution && solved.statistics.forwardCount == 1)
      // With clues missing, what is certain is decided together, and otherwise one cell: never a mistake.
      clues = Set(clues.sorted().prefix(2))
      let open = try await denoise(
        sudoku.model, .test("block=whole commit=threshold(0.99)"), prompt: sudoku.prompt, canvas: canvas())
      #expect(fitting().contains(open.tokens.map { Int($0.rawValue) }), "\(solution)")
      #expect(open.statistics.forwardCount < 14)
    }
  }

  @Test func `draws of a chain have its transitions one at a time, and lose them all at once`() async throws {
    let (stay, count, runs) = (0.9, 8, 400)
    let model = chainDenoiser(stay: stay)
    func share(_ recipe: String) async throws -> Double {
      var equal = 0
      for seed in 0..<UInt64(runs) {
        let outcome = try await denoise(
          model, .test("block=whole \(recipe)"), prompt: [2], count: count,
          sampling: SamplingOptions(temperature: 1, seed: seed))
        equal += zip(outcome.tokens, outcome.tokens.dropFirst()).count { $0 == $1 }
      }
      return Double(equal) / Double(runs * (count - 1))
    }
    // Five standard errors of a share of 2,800 (neighbouring pairs of a chain are independent).
    for order in ["commit=sequential(1)", "score=random commit=quota(0)"] {
      let found = try await share(order)
      #expect(abs(found - stay) < 5 * (stay * (1 - stay) / 2800).squareRoot(), "\(order): \(found)")
    }
    let together = try await share("commit=threshold(-1)")
    #expect(abs(together - 0.5) < 5 * (0.25 / 2800).squareRoot(), "\(together)")
  }
}
