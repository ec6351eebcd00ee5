import ArgumentParser

/// `blockwise eval`
struct EvalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measure quality.",
    subcommands: [EvalPerplexityCommand.self, EvalTasksCommand.self])
}
