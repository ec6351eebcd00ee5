import Foundation

/// The test data kept beside the repository: reference fixtures too large to be part of it.
public enum SharedData {
  /// The data folder: `$BLOCKWISE_SHARED_DATA`, else `../shared/data` beside the package if it exists, else nil.
  public static let root: String? = {
    if let path = ProcessInfo.processInfo.environment["BLOCKWISE_SHARED_DATA"] { return path }
    let path = packageFolder + "/../shared/data"
    if FileManager.default.fileExists(atPath: path) { return path }
    // The runner exits when its summary is printed: this becomes the last line.
    atexit {
      print("note: tests of ../shared/data were skipped; only Tests/Fixtures were used")
    }
    return nil
  }()

  /// Whether the data are there: `@Test(.enabled(if: SharedData.isAvailable))`.
  public static var isAvailable: Bool { root != nil }

  /// The path of a file or folder, e.g. `path("parity/models/qwen3")`, whether it exists or not.
  ///
  /// - Throws: ``Missing`` if the data are absent.
  public static func path(_ relative: String) throws -> String {
    guard let root else { throw Missing(path: relative) }
    return root + "/" + relative
  }

  /// The bytes of a file.
  public static func bytes(_ relative: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(relative))))
  }

  /// The names in a folder, sorted; empty if the data or the folder are absent, so that it can name a test's cases.
  public static func names(in relative: String) -> [String] {
    guard let root else { return [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: root + "/" + relative)) ?? []).sorted()
  }

  /// The folder of Package.swift.
  public static let packageFolder: String = {
    // This file lies in Tests/BlockwiseTestSupport.
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
  }()

  /// The data were asked for but are not there.
  public struct Missing: Error, CustomStringConvertible {
    /// What was asked for.
    public var path: String

    /// One line that says what is missing.
    public var description: String { "\(path): the shared test data are not available" }
  }
}
