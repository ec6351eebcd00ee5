import ArgumentParser

/// `blockwise bench`
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed.",
    subcommands: [
      BenchForwardCommand.self, BenchDecodeCommand.self, BenchPrefillCommand.self, BenchLoadCommand.self,
    ])
}
