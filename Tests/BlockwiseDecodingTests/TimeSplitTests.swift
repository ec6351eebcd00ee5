import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Where the time of a generation went, on a model whose passes say what they took.
@Suite struct TimeSplitTests {
  /// A table model whose passes report times that depend on their rows alone; powers of two, so that sums are exact.
  private struct ScriptedModel: BlockModel {
    let table = AutoregressiveDecoderTests.counting
    var traits: ModelTraits { table.traits }

    func makeCache(contextLength: Int?) throws -> CacheHandle {
      try table.makeCache(contextLength: contextLength)
    }

    func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
      try await table.forward(batch, into: result)
      let rows = Double(batch.reduce(0) { $0 + $1.plan.rowCount })
      result.timing = PassTiming()
      result.timing.weights = rows * 4
      result.timing.attention = rows * 2
      result.timing.head = rows
      result.timing.total = rows * 8
    }
  }

  @Test func `passes over the prompt and passes of decoding are summed apart`() async throws {
    let options = AutoregressiveOptions(maximumTokenCount: 5, prefillRowCount: 3)
    let (_, _, statistics) = try await AutoregressiveDecoderTests.run(
      ScriptedModel(), prompt: [0, 1, 2, 3, 4, 5, 6], options)
    #expect(statistics.prefilledTokenCount == 7)
    #expect(statistics.prefillTiming.total == 7 * 8)
    #expect(statistics.prefillTiming.weights == 7 * 4)
    #expect(statistics.forwardCount == 4)
    #expect(statistics.decodeTiming.total == 4 * 8)
    #expect(statistics.decodeTiming.weights == 4 * 4)
    #expect(statistics.decodeTiming.attention == 4 * 2)
    #expect(statistics.decodeTiming.head == 4)
    #expect(statistics.decodeTiming.other == 4)
    // The passes claim far more than the wall time, of which nothing is left for the host then.
    #expect(statistics.decodeSplit.host == 0)
    #expect(statistics.prefillSplit.weights == 7 * 4)
  }

  @Test func `sampling and passes are part of the wall time`() async throws {
    let options = AutoregressiveOptions(maximumTokenCount: 30)
    let (_, _, statistics) = try await AutoregressiveDecoderTests.run(
      AutoregressiveDecoderTests.counting, prompt: [0, 1], options)
    #expect(statistics.samplingSeconds > 0)
    #expect(statistics.decodeTiming.total > 0)
    #expect(statistics.samplingSeconds + statistics.decodeTiming.total <= statistics.decodeSeconds)
    #expect(statistics.prefillTiming.total <= statistics.prefillSeconds)
    let split = statistics.decodeSplit
    #expect(abs(split.total - statistics.decodeSeconds) <= 1e-9)
  }

  @Test func `a generation that ends before its first token has spent nothing on decoding`() async throws {
    let (_, _, statistics) = try await AutoregressiveDecoderTests.run(
      ScriptedModel(), prompt: [0, 1], AutoregressiveOptions(maximumTokenCount: 0))
    #expect(statistics.decodeTiming == PassTiming())
    #expect(statistics.samplingSeconds == 0)
  }

  @Test func `a split adds up to the wall time and divides by tokens`() {
    var passes = PassTiming()
    passes.weights = 4
    passes.attention = 2
    passes.total = 8
    passes += passes
    #expect(passes.total == 16 && passes.other == 4)
    var split = TimeSplit(passes: passes, sampling: 1, wallSeconds: 20)
    #expect(split.host == 3 && split.otherPass == 4 && split.total == 20)
    split += split
    #expect(split.total == 40)
    let part = split / 8
    #expect(part.weights == 2 && part.sampling == 0.25 && part.total == 5)
    #expect((split / 0).total == 40)
  }
}
