internal import Foundation

/// Runs Python that a model wrote, at the user's own request.
///
/// In a separate process with an empty environment, two seconds of processor time, 512 MiB of memory, no new files, and no
/// network: it lives in name spaces of its own where the system grants them; elsewhere the limit of open files, which keeps
/// it from having a socket, has to do, and that binds every user but root.
public struct PythonRunner: Sendable {
  /// Why programs cannot be run safely.
  public enum Failure: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is no interpreter.
    case noPython
    /// The system gives no name spaces and the user is root, whom limits do not bind.
    case noIsolation

    /// What is missing.
    public var description: String {
      switch self {
      case .noPython: "python3 was not found: programs that the model writes cannot be run"
      case .noIsolation:
        "programs that the model writes are not run: this system gives them no name spaces of their own "
          + "(unshare), and limits do not bind the user root"
      }
    }
  }

  private let python: String
  private let unshare: String?

  /// Looks for an interpreter and tries how far it can be shut in.
  /// - Throws: ``Failure``.
  public init() throws(Failure) {
    guard let python = Self.find("python3") else { throw .noPython }
    self.python = python
    let candidate = Self.find("unshare")
    let trial = candidate.map { Self.run($0, Self.isolation + ["/bin/true"], seconds: 10) }
    unshare = trial == 0 ? candidate : nil
    if unshare == nil, geteuid() == 0 { throw .noIsolation }
  }

  /// Whether a program runs without an error, and then each statement of `tests` in its scope.
  public func passes(_ program: String, tests: [String]) -> Bool {
    // Leaving early counts as a failure: only a program that comes to its end knows the code.
    let code = Int32.random(in: 100...250)
    let statements = ([program] + tests).map { "exec(\(Self.literal($0)), scope)\n" }.joined()
    let source = Self.limits + "scope = {}\n" + statements + "os._exit(\(code))\n"
    let arguments = ["-I", "-c", source]
    if let unshare { return Self.run(unshare, Self.isolation + [python] + arguments, seconds: 10) == code }
    return Self.run(python, arguments, seconds: 10) == code
  }

  /// A user, a network and processes of its own; all of these end with the first.
  private static let isolation = [
    "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--",
  ]

  private static let limits = """
    import os, resource
    resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
    resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))

    """

  /// A string of Python that means `text`.
  private static func literal(_ text: String) -> String {
    "bytes([" + text.utf8.map { "\($0)" }.joined(separator: ",") + "]).decode()"
  }

  private static func find(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first(
      where: FileManager.default.isExecutableFile)
  }

  /// The exit code; nil when the process could not be started, was ended by a signal, or took too long.
  private static func run(_ program: String, _ arguments: [String], seconds: Double) -> Int32? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = [:]
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    guard (try? process.run()) != nil else { return nil }
    if ended.wait(timeout: .now() + seconds) == .timedOut {
      kill(process.processIdentifier, SIGKILL)
      ended.wait()
      return nil
    }
    return process.terminationReason == .exit ? process.terminationStatus : nil
  }
}
