import Blockwise
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// The cost curve: lines between points, and a folder of kept curves that never stands in the way.
@Suite struct CostCurveTests {
  private static func curve(_ points: [(Int, Double)]) throws -> CostCurve {
    try #require(CostCurve(points.map { CostCurve.Point(rowCount: $0.0, milliseconds: $0.1) }))
  }

  // MARK: The curve

  @Test func `costs lie on the lines between measured points`() throws {
    let curve = try Self.curve([(1, 10), (2, 12), (4, 14), (8, 24)])
    #expect(curve.cost(rows: 1) == 10)
    #expect(curve.cost(rows: 2) == 12)
    #expect(curve.cost(rows: 3) == 13)
    #expect(curve.cost(rows: 6) == 19)
    #expect(curve.relativeCost(rows: 8) == 2.4)
    // Beyond the last point the last line goes on.
    #expect(curve.cost(rows: 12) == 34)
  }

  @Test func `a single point grows in proportion`() throws {
    let curve = try Self.curve([(1, 3)])
    #expect(curve.cost(rows: 5) == 15)
  }

  @Test func `more rows never cost less`() throws {
    let curve = try Self.curve([(1, 11), (2, 10), (4, 13), (8, 12)])
    #expect(curve.points.map(\.milliseconds) == [10, 10, 12, 12])
    for count in 1...20 { #expect(curve.cost(rows: count) <= curve.cost(rows: count + 1)) }
  }

  @Test func `points that are no curve are refused`() {
    let bad: [[(Int, Double)]] = [
      [], [(2, 1)], [(1, 1), (1, 2)], [(1, 1), (4, 2), (2, 3)], [(1, 0)], [(1, -1)], [(1, .nan)],
      [(1, 1), (2, .infinity)],
    ]
    for points in bad {
      #expect(
        CostCurve(points.map { CostCurve.Point(rowCount: $0.0, milliseconds: $0.1) }) == nil, "\(points)")
    }
  }

  // MARK: The probe

  @Test func `the probe measures the row counts that fit the context`() async throws {
    let table = AutoregressiveTable.model(contextLength: 20)
    let short = try await CostProbe(model: table, contextLength: 20).measure()
    #expect(short.points.map(\.rowCount) == [1, 2, 4, 8, 16])
    let long = AutoregressiveTable.model(contextLength: 100)
    let curve = try await CostProbe(model: long, contextLength: 100).measure()
    // 64 rows are only measured where they cost little.
    #expect(curve.points.map(\.rowCount).prefix(6) == [1, 2, 4, 8, 16, 32])
    #expect(CostCurve.rowCounts.starts(with: curve.points.map(\.rowCount)))
    let tiny = AutoregressiveTable.model(contextLength: 1)
    #expect(try await CostProbe(model: tiny, contextLength: 1).measure().points.map(\.rowCount) == [1])
  }

  private enum AutoregressiveTable {
    static func model(contextLength: Int) -> TableModel {
      TableModel.markov([[0, 1], [1, 0]], contextLength: contextLength)
    }
  }

  // MARK: The folder

  private struct Place {
    let models: TemporaryFolder
    let folder: TemporaryFolder
    let file: String
    let cache: CostCurveCache

    init() throws {
      models = try TemporaryFolder()
      folder = try TemporaryFolder()
      file = try models.write("model.gguf", "weights")
      cache = CostCurveCache(folder: URL(fileURLWithPath: folder.path + "/deeper/blockwise"))
    }

    func key(threads: Int = 2, int8: Bool = true) throws -> CostCurveKey {
      try #require(
        CostCurveKey(modelAt: file, kernels: "scalar", threadCount: threads, computesInt8: int8))
    }

    /// The one file of the cache.
    func path() throws -> String {
      let names = try FileManager.default.contentsOfDirectory(atPath: cache.folder.path)
      #expect(names.count == 1, "\(names)")
      return cache.folder.path + "/" + (try #require(names.first))
    }
  }

  @Test func `a kept curve is found again for the same model, machine and way to compute only`() throws {
    let place = try Place()
    let (one, two) = (try Self.curve([(1, 1.25), (2, 1.5)]), try Self.curve([(1, 7.0625)]))
    #expect(place.cache.curve(for: try place.key()) == nil)
    place.cache.store(one, for: try place.key())
    place.cache.store(two, for: try place.key(threads: 1))
    #expect(place.cache.curve(for: try place.key()) == one)
    #expect(place.cache.curve(for: try place.key(threads: 1)) == two)
    #expect(place.cache.curve(for: try place.key(int8: false)) == nil)
    #expect(place.cache.curve(for: try place.key(threads: 3)) == nil)
    let all = place.cache.curves(forModelAt: place.file)
    #expect(all.map(\.key.threadCount) == [1, 2])
    #expect(all.map(\.curve) == [two, one])
    #expect(place.cache.curves(forModelAt: place.file + "-other").isEmpty)
    // Weights that keep their blocks cost other times.
    let blocks = CostCurveKey(
      modelAt: place.file, kernels: "scalar", threadCount: 2, computesInt8: true, keepsBlocks: true)
    #expect(place.cache.curve(for: try #require(blocks)) == nil)
    // Another processor's figures say nothing about this one.
    var foreign = try place.key()
    foreign.processor = "abacus"
    #expect(place.cache.curve(for: foreign) == nil)
    place.cache.store(two, for: foreign)
    #expect(place.cache.curves(forModelAt: place.file).count == 2)
  }

  @Test func `a link to a model is the model, and a changed model is another`() throws {
    let place = try Place()
    let curve = try Self.curve([(1, 2)])
    place.cache.store(curve, for: try place.key())
    let link = place.models.path + "/link.gguf"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: place.file)
    #expect(place.cache.curves(forModelAt: link).map(\.curve) == [curve])
    try place.models.write("model.gguf", "weights that are longer")
    #expect(place.cache.curve(for: try place.key()) == nil)
    #expect(place.cache.curves(forModelAt: place.file).isEmpty)
    // The new curve takes the place of the old one.
    place.cache.store(curve, for: try place.key())
    _ = try place.path()
    // The same size and another time of change.
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceReferenceDate: 1000)], ofItemAtPath: place.file)
    #expect(place.cache.curve(for: try place.key()) == nil)
  }

  @Test func `damaged and foreign files are ignored and written anew`() throws {
    let place = try Place()
    let curve = try Self.curve([(1, 1.5), (2, 2.5), (4, 3.5)])
    place.cache.store(curve, for: try place.key())
    let path = try place.path()
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    let text = String(decoding: whole, as: UTF8.self)
    var contents = (0..<whole.count - 1).map { whole.prefix($0) }
    let replacements = [
      ("\"version\":2", "\"version\":1"),
      ("\"engine\":\"\(BlockwiseVersion.current)\"", "\"engine\":\"0\""), ("\"points\"", "\"dots\""),
      ("\"rows\":2", "\"rows\":1"),
      ("\"milliseconds\":1.5", "\"milliseconds\":-1"), ("\"milliseconds\":1.5", "\"milliseconds\":1e999"),
      ("\"products\":\"int8\"", "\"products\":\"int4\""), ("\"kernels\":\"scalar\"", "\"kernels\":\"neon\""),
      ("\"rows\":1", "\"rows\":99999999999999999999"), ("\"keeps_blocks\":false", "\"keeps_blocks\":0"),
    ]
    for (old, new) in replacements {
      let changed = text.replacingOccurrences(of: old, with: new)
      #expect(changed != text, "\(old)")
      contents.append(Data(changed.utf8))
    }
    contents.append(Data(repeating: UInt8(ascii: "["), count: 200_000))
    contents.append(Data("[1, 2]".utf8))
    for damaged in contents {
      try damaged.write(to: URL(fileURLWithPath: path))
      let label = "\(String(decoding: damaged.prefix(400), as: UTF8.self))"
      #expect(place.cache.curve(for: try place.key()) == nil, "\(label)")
    }
    place.cache.store(curve, for: try place.key())
    #expect(place.cache.curve(for: try place.key()) == curve)
    #expect(try place.path() == path)
  }

  @Test func `a folder that cannot be written is no error`() throws {
    let place = try Place()
    let file = try place.folder.write("file", "not a folder")
    let cache = CostCurveCache(folder: URL(fileURLWithPath: file + "/cache"))
    let key = try place.key()
    cache.store(try Self.curve([(1, 1)]), for: key)
    #expect(cache.curve(for: key) == nil)
    #expect(cache.curves(forModelAt: place.file).isEmpty)
    // A folder where the curve's file should be.
    place.cache.store(try Self.curve([(1, 1)]), for: key)
    let path = try place.path()
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    place.cache.store(try Self.curve([(1, 1)]), for: key)
    #expect(place.cache.curve(for: key) == nil)
  }

  // MARK: The model

  @Test func `a model measures once and keeps what it found`() async throws {
    let folder = try TemporaryFolder()
    let url = URL(fileURLWithPath: folder.path)
    let model = try await SessionTests.model()
    let curve = try await model.costCurve(cache: url)
    #expect(curve.points.first?.rowCount == 1)
    #expect(curve.points.allSatisfy { $0.milliseconds > 0 })
    #expect(try folder.names().count == 1)
    // The same model does not look again, and another one finds the file.
    #expect(try await model.costCurve() == curve)
    #expect(try await SessionTests.model().costCurve(cache: url) == curve)
  }

  @Test func `a kept curve is taken instead of a measurement`() async throws {
    let folder = try TemporaryFolder()
    let model = try await SessionTests.model()
    let cache = CostCurveCache(folder: URL(fileURLWithPath: folder.path))
    // Times that no measurement gives.
    let kept = try Self.curve([(1, 1e6), (32, 1e7)])
    cache.store(kept, for: try #require(CostCurveKey(model)))
    #expect(try await model.costCurve(cache: cache.folder) == kept)
  }

  @Test func `without a folder the curve is measured all the same`() async throws {
    let model = try await SessionTests.model()
    let unusable = URL(fileURLWithPath: "/dev/null/blockwise")
    #expect(try await model.costCurve(cache: unusable).points.first?.rowCount == 1)
    #expect(try await SessionTests.model().costCurve().points.first?.rowCount == 1)
  }

  @Test func `loading says where its time went`() async throws {
    let timing = try await SessionTests.model().loadTiming
    #expect(timing.open > 0 && timing.tokenizer > 0 && timing.weights > 0)
    #expect(timing.open + timing.tokenizer + timing.weights <= timing.total)
    #expect(timing.other >= 0)
  }
}
