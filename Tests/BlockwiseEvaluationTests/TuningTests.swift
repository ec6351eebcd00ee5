import Blockwise
import BlockwiseEvaluation
import BlockwiseTestSupport
import Foundation
import Testing

/// Fitting of commit policies.
@Suite struct TuningTests {
  @Test func `a filter learns which confidences are final`() {
    // A prediction is final where it and its left neighbour are confident.
    var random = SplitMix(seed: 4)
    let records = (0..<2000).map { _ -> CommitRecord in
      let probabilities = (0..<8).map { _ in Float.random(in: 0...1, using: &random) }
      let isRight = probabilities.indices.map {
        probabilities[$0] > 0.5 && ($0 == 0 || probabilities[$0 - 1] > 0.5)
      }
      return CommitRecord(probabilities: probabilities, isRight: isRight)
    }
    var training = FilterTraining()
    training.stepCount = 1200
    training.rate = 1e-2
    let filter = training.fit(Array(records.dropLast(200)), blockSize: 8)
    var right = 0
    for record in records.suffix(200) {
      right += zip(filter.logits(record.probabilities), record.isRight).count { ($0 > 0) == $1 }
    }
    // Saying no to all would be right three times out of four.
    #expect(Double(right) / 1600 > 0.8, "\(right) of 1600")
    #expect(filter == training.fit(Array(records.dropLast(200)), blockSize: 8), "the seed decides everything")
  }

  @Test func `a filter computes two layers with a ReLU, and survives its file`() throws {
    // Slot 0: ReLU(p0 − p1) − 0.25; slot 1: 2 · ReLU(p1) + 1.
    let filter = CommitFilter(blockSize: 2, parameters: [1, -1, 0, 1, 0, 0, 1, 0, 0, 2, -0.25, 1])
    #expect(filter.logits([0.75, 0.25]) == [0.25, 1.5])
    #expect(filter.logits([0.25, 0.75]) == [-0.25, 2.5])
    #expect(filter.logits([0.5]) == filter.logits([0.5, 1]))
    let folder = try TemporaryFolder()
    try filter.write(to: folder.path + "/f.safetensors")
    #expect(try CommitFilter(path: folder.path + "/f.safetensors") == filter)
    try folder.write("bad.safetensors", [UInt8]("nonsense".utf8))
    #expect(throws: ModelFileError.self) { try CommitFilter(path: folder.path + "/bad.safetensors") }
  }

  @Test func `a filter that accepts nothing is one token per pass, one that accepts all is all at once`()
    async throws
  {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/sdar")
    let folder = try TemporaryFolder()
    for (bias, other) in [(-100, "quota(0)"), (100, "threshold(-1)")] as [(Float, String)] {
      var parameters = [Float](repeating: 0, count: CommitFilter.parameterCount(blockSize: 8))
      for index in parameters.count - 8..<parameters.count { parameters[index] = bias }
      let path = folder.path + "/f.safetensors"
      try CommitFilter(blockSize: 8, parameters: parameters).write(to: path)
      var results: [[TokenID]] = []
      for commit in ["filter(\(path))", other] {
        var options = GenerationOptions(maximumTokenCount: 24, ignoresEndOfText: true)
        options.recipe = "block=fixed(8) commit=\(commit)"
        results.append(
          try await model.session().complete(tokens: [5, 6, 7], options: options).tokens.map(\.token))
      }
      #expect(results[0] == results[1], "\(other)")
    }
    var options = GenerationOptions(maximumTokenCount: 24)
    options.recipe = "block=fixed(4) commit=filter(\(folder.path)/f.safetensors)"
    #expect(throws: DecodingError.self) { try model.decision(for: options) }
  }

  @Test(arguments: ["sdar", "llada", "dream", "fast-dllm-qwen"], [false, true])
  func `tuning measures policies beside one token per pass and an oracle`(name: String, ends: Bool)
    async throws
  {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/\(name)")
    let folder = try TemporaryFolder()
    let prompts = (0..<12).map { seed in (0..<5).map { TokenID((seed * 17 + $0 * 5) % 250) } }
    var tuning = try CommitTuning(
      prompts: prompts, recipe: try model.recipe("block=fixed(8)"), maximumTokenCount: 16, target: 1,
      filterPath: folder.path + "/filter.safetensors")
    tuning.stepCount = 50
    tuning.options.ignoresEndOfText = true
    if ends { tuning.options.stopTokens = Set((0..<60).map { TokenID($0) }) }
    let report = try await tuning.run(model)
    #expect(report.rows[0].commit == "quota(0)" && report.rows[0].sameShare == 1)
    #expect(report.heldOutCount == 3 && report.recordCount > 0)
    #expect(report.best.sameShare == 1 && report.best.forwardCount <= report.rows[0].forwardCount)
    // The oracle keeps the answer and needs no more passes than any policy that keeps it.
    #expect(report.oracle.forwardCount <= report.rows[0].forwardCount)
    // (What lies behind an end can make a policy of random weights luckier than the oracle.)
    for row in report.rows where row.sameShare == 1 && !ends {
      #expect(report.oracle.forwardCount <= row.forwardCount, "\(row.commit)")
    }
    #expect(try model.recipe(report.best.recipe).text == report.best.recipe)
    #expect(FileManager.default.fileExists(atPath: folder.path + "/filter.safetensors"))
  }

  @Test func `passes are recorded and replayed`() async throws {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/sdar")
    var options = GenerationOptions(maximumTokenCount: 16, ignoresEndOfText: true)
    options.recipe = "block=fixed(8) commit=quota(2) cache=exact"
    let prompt = (0..<8).map { TokenID($0) }
    let generation = try await model.session().complete(tokens: prompt, options: options)
    let passes = generation.statistics.passes
    // Two passes fill a block, one makes it part of the context; the last block needs none.
    #expect(passes.map(\.rowCount) == [8, 8, 8, 8, 8])
    #expect(passes.map(\.contextCount) == [8, 8, 8, 16, 16])
    #expect(passes.map(\.outputCount) == [8, 4, 0, 8, 4])
    let folder = try TemporaryFolder()
    let trace = PassTrace(method: "blocks", tokenCount: 16, passes: passes)
    try folder.write("t.jsonl", Array((trace.json.text() + "\n").utf8))
    #expect(try PassTrace.load(folder.path + "/t.jsonl") == [trace])
    let results = try await ReplayBenchmark(recordings: [("t", [trace, trace])], sampleCount: 2).run(model)
    #expect(results[0].passCount == 10 && results[0].rowCount == 80 && results[0].seconds.values.count == 2)
    for bad in [#"{"method": "x", "tokens": 1, "passes": [[1, 0, 0]]}"#, "{", #"{"tokens": 1}"#, ""] {
      try folder.write("bad.jsonl", Array(bad.utf8))
      #expect(throws: TraceError.self) { try PassTrace.load(folder.path + "/bad.jsonl") }
    }
  }

  @Test func `shares of equal answers are exact, so that a target can be met`() async throws {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/sdar")
    // Ten held-out prompts: ten times a tenth is not one.
    let prompts = (0..<40).map { seed in (0..<3).map { TokenID((seed * 17 + $0 * 5) % 250) } }
    var tuning = try CommitTuning(
      prompts: prompts, recipe: try model.recipe("block=fixed(1)"), maximumTokenCount: 2, target: 1)
    tuning.options.ignoresEndOfText = true
    let report = try await tuning.run(model)
    #expect(report.heldOutCount == 10 && report.rows.allSatisfy { $0.sameShare == 1 })
  }

  @Test func `what lies behind an end is no answer, and end tokens are right there`() {
    let answer = OracleAnswer(start: 5, tokens: [1, 2, 9], isEnded: true, endTokens: [9, 8])
    #expect(answer.isRight(1, at: 5) == true && answer.isRight(3, at: 6) == false)
    #expect(answer.isRight(3, at: 7) == false && answer.isRight(9, at: 7) == true)
    #expect(answer.isRight(8, at: 8) == true && answer.isRight(3, at: 8) == nil)
    let cut = OracleAnswer(start: 5, tokens: [1, 2], isEnded: false, endTokens: [9])
    #expect(cut.isRight(9, at: 7) == nil && cut.isRight(2, at: 6) == true)
  }
}
