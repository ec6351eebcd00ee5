internal import BlockwiseKernels
internal import Foundation

/// What a measured cost curve belongs to: a model file as it is now, a processor, and how passes are computed.
package struct CostCurveKey: Sendable, Hashable {
  /// The model's folder or file, absolute and without links.
  package var modelPath: String
  /// Bytes of the file, or of the files in the folder.
  package var modelByteCount: Int
  /// When it, or the newest of them, was changed: microseconds since 2001.
  package var modelChange: Int
  /// The processor's name.
  package var processor: String
  /// The instruction set of the kernels.
  package var kernels: String
  /// Threads of a pass.
  package var threadCount: Int
  /// Whether quantised weights meet activations rounded to int8.
  package var computesInt8: Bool
  /// Whether weights keep the blocks of the file, which every pass decodes.
  package var keepsBlocks: Bool

  /// A key from what a file says.
  init(
    modelPath: String, modelByteCount: Int, modelChange: Int, processor: String, kernels: String,
    threadCount: Int, computesInt8: Bool, keepsBlocks: Bool
  ) {
    self.modelPath = modelPath
    self.modelByteCount = modelByteCount
    self.modelChange = modelChange
    self.processor = processor
    self.kernels = kernels
    self.threadCount = threadCount
    self.computesInt8 = computesInt8
    self.keepsBlocks = keepsBlocks
  }

  /// The key of a model as it was loaded; nil when its file is gone.
  package init?(_ model: LanguageModel) {
    self.init(
      modelAt: model.summary.file, kernels: model.summary.kernelVariant.name,
      threadCount: model.summary.threadCount,
      computesInt8: model.summary.computesInt8, keepsBlocks: model.summary.keepsBlocks)
  }

  /// The key of a model file and a way to compute; nil when there is no such file.
  package init?(
    modelAt path: String, kernels: String, threadCount: Int, computesInt8: Bool, keepsBlocks: Bool = false
  ) {
    let url = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath()
    guard let (byteCount, change) = Self.state(of: url) else { return nil }
    modelPath = url.path
    modelByteCount = byteCount
    modelChange = change
    processor = SystemProcessor.name
    self.kernels = kernels
    self.threadCount = threadCount
    self.computesInt8 = computesInt8
    self.keepsBlocks = keepsBlocks
  }

  private static func state(of url: URL) -> (byteCount: Int, change: Int)? {
    let files = FileManager.default
    var paths = [url.path]
    if FileKind(url.path) == .folder {
      paths += ((try? files.contentsOfDirectory(atPath: url.path)) ?? []).map { url.path + "/" + $0 }
    }
    var state: (byteCount: Int, change: Int)?
    for path in paths {
      // Files of a folder may be links into a store of downloads; what they lead to counts.
      let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      guard FileKind(target) == .file, let attributes = try? files.attributesOfItem(atPath: target),
        let size = (attributes[.size] as? NSNumber)?.intValue,
        let date = attributes[.modificationDate] as? Date
      else { continue }
      let change = Int(exactly: (date.timeIntervalSinceReferenceDate * 1e6).rounded()) ?? 0
      state = ((state?.byteCount ?? 0) &+ size, max(state?.change ?? .min, change))
    }
    return state
  }
}
