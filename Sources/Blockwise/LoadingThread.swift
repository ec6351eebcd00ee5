internal import BlockwiseKernels

/// Runs a long piece of work on a thread of its own, so that it does not starve other tasks.
enum LoadingThread {
  static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    let thread = try EngineThread()
    return try await thread.run(body)
  }
}
