import Dispatch
import Foundation

/// What one process fuzzes: the parser named by `BLOCKWISE_FUZZ_PARSER`.
private struct Campaign: Sendable {
  static let current: Campaign = {
    let environment = ProcessInfo.processInfo.environment
    let name = environment["BLOCKWISE_FUZZ_PARSER"] ?? ""
    guard let parser = ParserDriver(rawValue: name) else {
      let names = ParserDriver.allCases.map(\.rawValue).joined(separator: ", ")
      stop("BLOCKWISE_FUZZ_PARSER is '\(name)'; it has to be one of \(names)")
    }
    // This file lies in Fuzz/Sources/BlockwiseFuzz.
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    // Thousands of files a second: in memory where there is a place for them.
    let memory = "/dev/shm"
    let parent =
      FileManager.default.isWritableFile(atPath: memory)
      ? memory : FileManager.default.temporaryDirectory.path
    let folder = parent + "/blockwise-fuzz-\(getpid())"
    do {
      let drivers = try ParserDrivers(folder: folder, fixtures: root.path + "/Tests/Fixtures")
      if let corpus = environment["BLOCKWISE_FUZZ_CORPUS"] {
        try FileManager.default.createDirectory(atPath: corpus, withIntermediateDirectories: true)
        for (index, seed) in try drivers.seeds(parser).enumerated() {
          try Data(seed).write(to: URL(fileURLWithPath: corpus + "/seed-\(index)"))
        }
      }
      return Campaign(parser: parser, drivers: drivers)
    } catch {
      stop("\(error)")
    }
  }()

  let parser: ParserDriver
  let drivers: ParserDrivers

  static func stop(_ message: String) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    abort()
  }
}

/// Writes the seeds before the first run reads the corpus.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  _ = Campaign.current
  return 0
}

/// One run: a trap, a report of the address sanitizer or a broken promise ends the process, and libFuzzer keeps the
/// input.
@_cdecl("LLVMFuzzerTestOneInput")
public func run(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let campaign = Campaign.current
  let done = DispatchSemaphore(value: 0)
  Task.detached {
    do {
      _ = try await campaign.drivers.run(campaign.parser, bytes)
    } catch {
      Campaign.stop("\(error)")
    }
    done.signal()
  }
  done.wait()
  return 0
}
