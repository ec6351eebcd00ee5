import Blockwise
import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// Many damaged files per parser: each is refused with a typed error, or what comes out of it can be used.
///
/// `BLOCKWISE_DAMAGED_FILES` says how many; the default keeps a test run short.
struct DamagedFileTests {
  private static let count =
    ProcessInfo.processInfo.environment["BLOCKWISE_DAMAGED_FILES"].flatMap { Int($0) } ?? 600

  /// Four seeds share the work of a parser.
  private static let cases = ParserDriver.allCases.flatMap { parser in (UInt64(0)..<4).map { (parser, $0) } }

  @Test(arguments: cases)
  func `a damaged file is refused with a typed error or can be used`(
    _ subject: (parser: ParserDriver, seed: UInt64)
  ) async throws {
    let folder = try TemporaryFolder()
    let drivers = try ParserDrivers(
      folder: folder.path, fixtures: SharedData.packageFolder + "/Tests/Fixtures")
    let seeds = try drivers.seeds(subject.parser)
    var random = SplitMix(seed: subject.seed)
    var used = 0
    var refused = 0
    for round in 0..<max(1, Self.count / 4) {
      let source = try #require(seeds.randomElement(using: &random))
      let bytes = Self.damaged(source, isText: Self.isText(subject.parser), &random)
      do {
        if try await drivers.run(subject.parser, bytes) { used += 1 } else { refused += 1 }
      } catch {
        let name = "\(subject.parser)-\(subject.seed)-\(round)"
        Issue.record("\(name): \(error): \(Data(bytes.prefix(2000)).base64EncodedString())")
      }
    }
    #expect(
      used > 0 && refused > 0, "\(subject.parser), seed \(subject.seed): \(used) used, \(refused) refused")
    // The files themselves are in order.
    for seed in seeds where subject.parser != .configuration {
      #expect(try await drivers.run(subject.parser, seed), "\(subject.parser)")
    }
  }

  private static func isText(_ parser: ParserDriver) -> Bool {
    switch parser {
    case .json, .tokenizer, .template, .expression, .configuration: true
    case .safetensors, .gguf, .sentencepiece, .vocabulary: false
    }
  }

  /// Random damage; in text every second time an exchange that leaves it well formed more often.
  private static func damaged(_ bytes: [UInt8], isText: Bool, _ random: inout SplitMix) -> [UInt8] {
    guard isText, Bool.random(using: &random) else { return random.damaged(bytes) }
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let numbers = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
      let words = bytes.indices.filter { bytes[$0] | 0x20 >= 0x61 && bytes[$0] | 0x20 <= 0x7A }
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where !numbers.isEmpty:
        let start = numbers.randomElement(using: &random) ?? 0
        let end = bytes[start...].firstIndex { !(0x30...0x39).contains($0) } ?? bytes.count
        bytes.replaceSubrange(start..<end, with: (lies.randomElement(using: &random) ?? "").utf8)
      case 1 where words.count > 1:
        let first = words.randomElement(using: &random) ?? 0
        let second = words.randomElement(using: &random) ?? 0
        bytes.swapAt(first, second)
      default:
        let place = Int.random(in: 0...bytes.count, using: &random)
        bytes.insert(contentsOf: (pieces.randomElement(using: &random) ?? "").utf8, at: place)
      }
    }
    return bytes
  }

  private static let lies = [
    "0", "-1", "1e9", "1e300", "99999999999999999999", "2147483648", "9223372036854775807", "0.5", "null",
    "\"x\"", "[]",
    "{}", "true", "65536",
  ]
  private static let pieces = [
    ",", ":", "[", "]", "{", "}", "\"", "\\", "null", "(", ")", "*", "+", "?", "{1,999}", "|", "é", "\u{0}",
    "{{", "}}", "{%", "%}",
    "\\p{L}", "[^", "(?=", " ", "-", "'", ".", "1", "%}{% for x in messages %}", "{{ x.y }}", "|tojson",
    "\\u0000",
  ]
}
