internal import BlockwiseFiles
internal import BlockwiseKernels
internal import BlockwiseModels
internal import Foundation

/// One conversion at work: writes what an output is made of.
struct ConversionRun {
  let options: ConversionOptions
  let transcoder: TensorTranscoder
  let progress: (String, Double) -> Void

  /// Writes a GGUF file.
  func write(_ content: GGUFContent, to output: String) throws -> ConversionReport {
    var plan = TypePlan(
      options, layerCount: content.layerCount, tiesEmbeddings: content.tiesEmbeddings,
      passesOthers: content.isRewritten)
    let types = try plan.types(content.tensors)
    let importance = try importance(content.tensors, types)
    try checkMemory(content.tensors, output)
    var writer = try GGUFWriter(
      path: output, metadata: content.metadata,
      tensors: zip(content.tensors, types).map { .init(name: $0.name, type: $1, shape: $0.shape) })
    let tensors = try transcode(content.tensors, types, importance, total: writer.byteCount) {
      try writer.write($0)
    }
    try writer.finish()
    return ConversionReport(
      output: output, tensors: tensors,
      notes: content.notes + plan.notes + importanceNotes(content.tensors, types, importance))
  }

  /// What the importance of columns is for each tensor that can use it.
  private func importance(_ tensors: [ExportTensor], _ types: [TensorType]) throws -> [[[Float]]?] {
    guard let path = options.importancePath else { return tensors.map { _ in nil } }
    let matrix = try ImportanceMatrix(path: path)
    return try zip(tensors, types).map { tensor, type in
      guard type.encoding?.usesImportance ?? false else { return nil }
      return try matrix.columns(
        of: tensor.name, columnCount: tensor.rowLength,
        matrixCount: tensor.shape.count > 2 ? tensor.shape[0] : 1)
    }
  }

  private func importanceNotes(
    _ tensors: [ExportTensor], _ types: [TensorType], _ importance: [[[Float]]?]
  ) -> [String] {
    guard let path = options.importancePath else { return [] }
    let able = types.indices.filter { types[$0].encoding?.usesImportance ?? false }
    let without = able.filter { importance[$0] == nil }.map { tensors[$0].name }
    if able.isEmpty { return ["no tensor is stored in a format that \(path) has an influence on"] }
    if without.isEmpty { return [] }
    return [
      "\(path) says nothing about \(without.count) of \(able.count) tensors: "
        + without.prefix(4).joined(separator: ", ") + (without.count > 4 ? ", …" : "")
    ]
  }

  /// Writes a Hugging Face folder.
  ///
  /// It is made under another name beside its place and moved when it is complete.
  func write(_ content: FolderContent, to output: String) throws -> ConversionReport {
    let files = FileManager.default
    var output = output
    // The folder itself is replaced: what a link or a dot stands for, not they.
    output = URL(fileURLWithPath: output).standardizedFileURL.resolvingSymlinksInPath().path
    var isFolder: ObjCBool = false
    let exists = files.fileExists(atPath: output, isDirectory: &isFolder)
    if exists {
      guard isFolder.boolValue else { throw ModelFileError.cannotWrite(path: output, reason: "it is a file") }
      let names = (try? files.contentsOfDirectory(atPath: output)) ?? []
      guard names.isEmpty || names.contains("config.json") else {
        throw ModelFileError.cannotWrite(
          path: output, reason: "the folder holds other things than a model")
      }
      // Whoever stands in it would be left in a folder that is no more.
      guard output != URL(fileURLWithPath: files.currentDirectoryPath).resolvingSymlinksInPath().path else {
        throw ModelFileError.cannotWrite(
          path: output, reason: "it is the current folder, and would be replaced")
      }
      guard !Self.isMountPoint(output) else {
        throw ModelFileError.cannotWrite(
          path: output, reason: "a file system begins there; name a folder inside of it")
      }
    }
    var plan = TypePlan(
      options, layerCount: 0, tiesEmbeddings: false, passesOthers: content.isRewritten)
    let types = try plan.types(content.tensors)
    try checkMemory(content.tensors, output)
    let partial =
      "\(output).partial-\(ProcessInfo.processInfo.processIdentifier)-\(UInt32.random(in: 0...UInt32.max))"
    do {
      try files.createDirectory(atPath: partial, withIntermediateDirectories: false)
    } catch {
      throw ModelFileError.cannotWrite(path: output, reason: error.localizedDescription)
    }
    defer { try? files.removeItem(atPath: partial) }
    var writer = try SafetensorsStream(
      path: partial + "/model.safetensors",
      tensors: zip(content.tensors, types).map { .init(name: $0.name, type: $1, shape: $0.shape) },
      metadata: ["format": "pt"])
    let tensors = try transcode(
      content.tensors, types, content.tensors.map { _ in nil }, total: writer.byteCount
    ) { try writer.write($0) }
    try writer.finish()
    for (name, bytes) in content.files {
      if let slash = name.lastIndex(of: "/") {
        try files.createDirectory(
          atPath: partial + "/" + name[..<slash], withIntermediateDirectories: true)
      }
      var file = try AtomicFile(path: partial + "/" + name)
      try file.write(bytes)
      try file.finish()
    }
    try move(partial, to: output, exists: exists)
    return ConversionReport(output: output, tensors: tensors, notes: content.notes + plan.notes)
  }

  /// Puts a complete folder in its place. An older model there is set aside until the new one stands, and then
  /// removed; what else was beside it moves into the new folder.
  private func move(_ partial: String, to output: String, exists: Bool) throws {
    let files = FileManager.default
    var oldPlace: String?
    do {
      guard exists else { return try files.moveItem(atPath: partial, toPath: output) }
      let aside = partial + ".old"
      try files.moveItem(atPath: output, toPath: aside)
      do {
        try files.moveItem(atPath: partial, toPath: output)
      } catch {
        try files.moveItem(atPath: aside, toPath: output)
        throw error
      }
      oldPlace = aside
      for name in try files.contentsOfDirectory(atPath: aside)
      where !FolderContent.isPartOfModel(name) && !files.fileExists(atPath: output + "/" + name) {
        try files.moveItem(atPath: aside + "/" + name, toPath: output + "/" + name)
      }
      try files.removeItem(atPath: aside)
    } catch {
      let rest = oldPlace.map { "; the new model is there, and the old folder is now \($0)" } ?? ""
      throw ModelFileError.cannotWrite(path: output, reason: error.localizedDescription + rest)
    }
  }

  /// Whether another file system begins at a folder: it cannot be renamed.
  private static func isMountPoint(_ path: String) -> Bool {
    let files = FileManager.default
    func device(_ path: String) -> Int? {
      (try? files.attributesOfItem(atPath: path))?[.systemNumber].flatMap { ($0 as? NSNumber)?.intValue }
    }
    return path == "/" || device(path) != device(URL(fileURLWithPath: path).deletingLastPathComponent().path)
  }

  private func checkMemory(_ tensors: [ExportTensor], _ output: String) throws {
    let needed = transcoder.workspaceByteCount(longestRow: tensors.map(\.rowLength).max() ?? 0)
    if let available = SystemMemory.availableByteCount, needed > available {
      throw ModelError.memory(needed: needed, available: available, what: "writing \(output)")
    }
  }

  private func transcode(
    _ tensors: [ExportTensor], _ types: [TensorType], _ importance: [[[Float]]?], total: Int,
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> [ConversionReport.Tensor] {
    var report: [ConversionReport.Tensor] = []
    var written = 0
    for (index, (tensor, type)) in zip(tensors, types).enumerated() {
      let start = written
      try transcoder.transcode(tensor, as: type, importance: importance[index]) { bytes in
        try sink(bytes)
        written += bytes.count
        progress(tensor.name, Double(written) / Double(max(1, total)))
      }
      report.append(
        ConversionReport.Tensor(
          name: tensor.name, shape: tensor.shape, from: tensor.storedType, to: type,
          byteCountBefore: tensor.sourceByteCount, byteCountAfter: written - start))
    }
    return report
  }
}
