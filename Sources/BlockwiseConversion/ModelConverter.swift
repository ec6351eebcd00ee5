public import BlockwiseFiles
internal import BlockwiseKernels

/// Converts models between containers and formats.
///
/// Tensors are read, converted and written piece by piece, so that a model of any size needs little memory. The
/// output appears whole or not at all.
public struct ModelConverter {
  private let source: ModelSource
  private let options: ConversionOptions

  /// A conversion of an opened model.
  public init(_ source: ModelSource, options: ConversionOptions) {
    self.source = source
    self.options = options
  }

  /// Converts the model.
  ///
  /// - Parameters:
  ///   - output: the file or folder to write.
  ///   - progress: called with the tensor in work and the share of the bytes that are written, 0…1.
  ///   - isCancelled: asked often; the conversion ends with ``ConversionError/cancelled`` when it says true.
  /// - Throws: ``ConversionError``, `ModelError`, `ModelFileError`, `TokenizerError`; nothing is left at the output.
  public func convert(
    to output: String, progress: @escaping (String, Double) -> Void = { _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> ConversionReport {
    try checkOutput(output)
    let run = ConversionRun(
      options: options,
      transcoder: TensorTranscoder(
        pool: WorkerPool(threadCount: options.threadCount), isCancelled: isCancelled), progress: progress)
    switch (source, options.container) {
    case (.gguf(let file), .gguf):
      return try run.write(try GGUFContent(rewriting: file, format: options.format), to: output)
    case (.folder(let folder), .gguf):
      return try run.write(try GGUFContent(exporting: folder, format: options.format), to: output)
    case (.gguf(let file), .hf):
      return try run.write(try FolderContent(exporting: file, format: options.format), to: output)
    case (.folder(let folder), .hf):
      return try run.write(try FolderContent(rewriting: folder, format: options.format), to: output)
    }
  }

  /// Refuses an output that is part of the input, or that is there already.
  private func checkOutput(_ output: String) throws {
    guard let identity = FileIdentity(output) else { return }
    var inputs = [source.path]
    switch source {
    case .gguf(let file): inputs += file.files
    case .folder(let folder): inputs += [folder.weights.path, folder.configurationPath]
    }
    guard !inputs.compactMap({ FileIdentity($0) }).contains(identity) else {
      throw ConversionError.outputIsInput(output)
    }
    guard options.replacesOutput else { throw ConversionError.outputExists(output) }
  }
}
