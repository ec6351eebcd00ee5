import ArgumentParser

/// `blockwise tune`
struct TuneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune", abstract: "Fit decoding to a model and to prompts of yours.",
    subcommands: [TuneCommitCommand.self, TuneNGramsCommand.self])
}
