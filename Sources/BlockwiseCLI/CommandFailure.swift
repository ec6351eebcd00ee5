import ArgumentParser
import Blockwise
import Foundation

/// The only place where errors become words and exit codes.
///
/// | code | meaning |
/// |---|---|
/// | 0 | success; also when the reader of standard output went away |
/// | 1 | the operation failed: a file, a model, memory |
/// | 64 | usage: unknown or unsupported options, values out of range |
/// | 130 | Ctrl-C before anything useful was done |
enum CommandFailure {
  static let failed: Int32 = 1
  static let usage: Int32 = 64
  static let interrupted: Int32 = 130

  /// Ends the program as the error asks for.
  static func exit(_ error: any Error) -> Never {
    switch error {
    case let error as UsageError: end(usage, error.description)
    case let error as SamplingError:
      if case .option = error { end(usage, error.description) }
      end(failed, error.description)
    case let error as DecodingError:
      switch error {
      case .option, .emptyPrompt: end(usage, error.description)
      default: end(failed, error.description)
      }
    case let error as RecipeError: end(error.isFileProblem ? failed : usage, error.description)
    case let error as ChatError:
      // A switch that the template does not have; a model without a template is another model's matter.
      if case .noTemplate = error { end(failed, error.description) }
      end(usage, error.description)
    case let error as ModelLocatorError:
      end(failed, "\(error) (BLOCKWISE_MODELS names folders of more)")
    case StreamError.readerGone: _exit(0)
    case is CommandInterrupted: _exit(interrupted)
    default:
      if BlockwiseCommand.exitCode(for: error) != .failure || error is ExitCode {
        // Parse errors, requests for help and completion scripts: the parser knows its own.
        BlockwiseCommand.exit(withError: error)
      }
      end(failed, "\(error)")
    }
  }

  /// The command that was called, with a space behind it; nothing where there is none of that name.
  private static var command: String {
    var known: [any ParsableCommand.Type] = BlockwiseCommand.configuration.subcommands
    var names = ""
    for argument in CommandLine.arguments.dropFirst() {
      guard let next = known.first(where: { $0.configuration.commandName == argument }) else { break }
      names += argument + " "
      known = next.configuration.subcommands
    }
    return names
  }

  private static func end(_ code: Int32, _ message: String) -> Never {
    StandardStream.error.note("Error: \(message)")
    if code == usage { StandardStream.error.note("See 'blockwise \(command)--help'.") }
    // Not `exit`: the engine's thread may be in the middle of a pass, and nothing is buffered.
    _exit(code)
  }
}

/// A request that cannot be meant so.
struct UsageError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The user stopped the command before it had a result.
struct CommandInterrupted: Error {}
