public import ArgumentParser
public import Blockwise
public import BlockwiseKernels
import Foundation

extension ModelLoadOptions.Compute: ExpressibleByArgument {}
extension CacheFormat: ExpressibleByArgument {}

/// Which model.
struct ModelName: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A Hugging Face folder, a GGUF file, or the name of a shipped model.", valueName: "name|path"),
    completion: .file())
  var model = ModelLocator.defaultName

  /// Where it is.
  /// - Throws: ``ModelLocatorError``.
  func path() throws -> String { try Self.locator.path(for: model) }

  /// The library's places, behind those that the environment names.
  static var locator: ModelLocator {
    var locator = ModelLocator.standard
    if let list = ProcessInfo.processInfo.environment["BLOCKWISE_MODELS"] {
      locator.folders = list.split(separator: ":").map(String.init) + locator.folders
    }
    return locator
  }

  /// Only the tokenizer; a folder needs no weights for it.
  func loadTokenizer() throws -> Tokenizer {
    let path = try path()
    for name in ["tokenizer.json", "tokenizer.model"]
    where FileManager.default.fileExists(atPath: path + "/" + name) {
      return try Tokenizer.load(folder: path)
    }
    return try LanguageModel.loadTokenizer(try ModelSource(path: path))
  }
}

/// How a model is loaded; the same in every command that computes.
struct ComputeArguments: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: "Positions to serve; refused before anything is allocated when they do not fit into memory.")
  var context: Int?

  @Option(name: .long, parsing: .unconditional, help: "Threads of a pass. (default: one per core)")
  var threads: Int?

  func validate() throws {
    if let context, context < 1 { throw ValidationError("--context is \(context), expected at least 1") }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is \(threads), expected 1 to 1024")
    }
  }

  /// The library's options for these arguments.
  func options(compute: ModelLoadOptions.Compute, cacheType: CacheFormat?) throws -> ModelLoadOptions {
    ModelLoadOptions(
      compute: compute, cacheFormat: cacheType, contextLength: context, threadCount: threads,
      kernelVariant: try Self.kernelVariant())
  }

  /// What BLOCKWISE_KERNELS forces.
  static func kernelVariant() throws -> KernelVariant? {
    guard let name = ProcessInfo.processInfo.environment["BLOCKWISE_KERNELS"], !name.isEmpty else {
      return nil
    }
    let names = KernelVariant.available.map(\.name).joined(separator: ", ")
    guard let variant = KernelVariant(rawValue: name) else {
      throw UsageError("BLOCKWISE_KERNELS is '\(name)', expected one of \(names)")
    }
    guard variant.isAvailable else {
      throw UsageError("BLOCKWISE_KERNELS is '\(name)', which this machine cannot run; it runs \(names)")
    }
    return variant
  }
}

extension LanguageModel {
  /// Loads what the arguments name, with progress on standard error.
  static func load(_ name: ModelName, options: ModelLoadOptions) async throws -> LanguageModel {
    let progress = ProgressLine("Loading \(name.model)")
    defer { progress.end() }
    return try await load(name.model, options: options, locator: ModelName.locator) {
      progress.update("Loading \(name.model) \(Int($0 * 100)) %")
    }
  }
}
