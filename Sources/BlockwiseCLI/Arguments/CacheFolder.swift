import Foundation

/// Where the program keeps what it can make again.
enum CacheFolder {
  /// `$XDG_CACHE_HOME/blockwise`, else `~/.cache/blockwise`; nil without a home.
  static func path(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
    if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") { return cache + "/blockwise" }
    guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
    return home + "/.cache/blockwise"
  }

  /// The same as a URL.
  static var url: URL? { path().map { URL(fileURLWithPath: $0, isDirectory: true) } }
}
