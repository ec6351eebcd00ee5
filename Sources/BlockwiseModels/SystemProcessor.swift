internal import Foundation

/// What the system says about its processor.
package enum SystemProcessor {
  /// The processor's name, or an empty string where the system does not tell.
  package static let name: String = {
    guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return "" }
    for line in text.split(separator: "\n") where line.hasPrefix("model name") {
      return line.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
    }
    return ""
  }()
}
