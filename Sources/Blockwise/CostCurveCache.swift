package import Foundation

/// Measured cost curves in a folder, one small JSON file per model and way to compute.
///
/// Nothing here fails: what is damaged, foreign or out of date counts as absent, and what cannot be written is not
/// kept.
package struct CostCurveCache: Sendable {
  /// Where the files are.
  package let folder: URL

  /// The curves in a folder, which need not exist.
  package init(folder: URL) { self.folder = folder }

  /// The meaning of the numbers in a file; files of another version are left alone until they are replaced.
  private static let version = 2
  /// More than any curve takes.
  private static let byteLimit = 64 << 10

  /// The curve that was kept for a model as it is now.
  package func curve(for key: CostCurveKey) -> CostCurve? {
    guard let entry = read(path(for: key)), entry.key == key else { return nil }
    return entry.curve
  }

  /// All curves that hold for a model file as it is now, on this processor; in the order of threads.
  package func curves(forModelAt path: String) -> [(key: CostCurveKey, curve: CostCurve)] {
    guard let model = CostCurveKey(modelAt: path, kernels: "", threadCount: 0, computesInt8: false) else {
      return []
    }
    let prefix = Self.prefix(model)
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter {
      $0.hasPrefix(prefix) && $0.hasSuffix(".json")
    }
    return names.compactMap { read(folder.path + "/" + $0) }
      .filter { entry in
        var expected = model
        expected.kernels = entry.key.kernels
        expected.threadCount = entry.key.threadCount
        expected.computesInt8 = entry.key.computesInt8
        expected.keepsBlocks = entry.key.keepsBlocks
        return entry.key == expected
      }
      .sorted {
        ($0.key.threadCount, $0.key.kernels, $0.key.computesInt8 ? 0 : 1)
          < ($1.key.threadCount, $1.key.kernels, $1.key.computesInt8 ? 0 : 1)
      }
  }

  /// Keeps a curve in place of the one before. The file appears whole or not at all.
  package func store(_ curve: CostCurve, for key: CostCurveKey) {
    try? FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let points = curve.points.map { point -> JSONValue in
      ["rows": .integer(Int64(point.rowCount)), "milliseconds": .number(point.milliseconds)]
    }
    let json: JSONValue = [
      "version": .integer(Int64(Self.version)),
      "engine": .string(BlockwiseVersion.current),
      "model": .string(key.modelPath),
      "model_bytes": .integer(Int64(key.modelByteCount)),
      "model_change": .integer(Int64(key.modelChange)),
      "processor": .string(key.processor),
      "kernels": .string(key.kernels),
      "threads": .integer(Int64(key.threadCount)),
      "products": .string(key.computesInt8 ? "int8" : "f32"),
      "keeps_blocks": .bool(key.keepsBlocks),
      "points": .array(points),
    ]
    guard var file = try? AtomicFile(path: path(for: key)) else { return }
    guard (try? file.write(json.bytes() + [UInt8(ascii: "\n")])) != nil else { return }
    try? file.finish()
  }

  // MARK: Files

  private func read(_ path: String) -> (key: CostCurveKey, curve: CostCurve)? {
    // A pipe or a device of that name would never end.
    guard FileKind(path) == .file, let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let data = try? handle.read(upToCount: Self.byteLimit),
      let json = try? JSONValue(parsing: [UInt8](data))
    else { return nil }
    return try? entry(json)
  }

  private func entry(_ json: JSONValue) throws(JSONKeyError) -> (key: CostCurveKey, curve: CostCurve)? {
    // Another version of the engine has other kernels.
    guard try json.integer("version") == Self.version, try json.string("engine") == BlockwiseVersion.current
    else {
      return nil
    }
    let products = try json.string("products")
    guard products == "int8" || products == "f32" else { return nil }
    var points: [CostCurve.Point] = []
    for point in try json.array("points") {
      points.append(
        CostCurve.Point(rowCount: try point.integer("rows"), milliseconds: try point.number("milliseconds")))
    }
    guard let curve = CostCurve(points) else { return nil }
    let key = CostCurveKey(
      modelPath: try json.string("model"), modelByteCount: try json.integer("model_bytes"),
      modelChange: try json.integer("model_change"), processor: try json.string("processor"),
      kernels: try json.string("kernels"), threadCount: try json.integer("threads"),
      computesInt8: products == "int8", keepsBlocks: try json.bool("keeps_blocks"))
    return (key, curve)
  }

  /// A change of the model replaces the file, so that curves of models that are no more do not pile up.
  private func path(for key: CostCurveKey) -> String {
    let way = "\(key.processor)|\(key.kernels)|\(key.threadCount)|\(key.computesInt8)|\(key.keepsBlocks)"
    return folder.path + "/" + Self.prefix(key) + Self.digest(way) + ".json"
  }

  private static func prefix(_ key: CostCurveKey) -> String { "cost-curve-\(digest(key.modelPath))-" }

  /// FNV-1a, 64 bits: names only have to differ as a rule, the file says what it belongs to.
  private static func digest(_ text: String) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
