import ArgumentParser
import Blockwise
import BlockwiseKernels

/// The model of a benchmark and how it is computed.
struct MeasuredModel: ParsableArguments {
  @OptionGroup var name: ModelName

  @Option(name: .long, help: "Arithmetic: int8 activations for quantised weights, or f32 everywhere.")
  var compute = ModelLoadOptions.Compute.auto

  @Option(name: .long, help: "How keys and values are kept. (default: f32 with --compute f32, else f16)")
  var cacheType: CacheFormat?

  @OptionGroup var computing: ComputeArguments

  /// The library's options for these arguments.
  func options() throws -> ModelLoadOptions {
    try computing.options(compute: compute, cacheType: cacheType)
  }

  /// Loads the model, with progress on standard error.
  func load() async throws -> LanguageModel { try await LanguageModel.load(name, options: try options()) }
}
