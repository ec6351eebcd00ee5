public import BlockwiseFiles
internal import Foundation

/// What a model's makers say of it: the `README.md` in its folder.
public struct ModelCard: Sendable, Hashable {
  /// Where it is.
  public var path: String
  /// All of it, Markdown, a block of metadata at its front not counted.
  public var text: String

  /// The first heading, without its marks; nil when there is none.
  public var title: String? {
    text.split(separator: "\n").first { $0.hasPrefix("#") }
      .map { $0.drop { $0 == "#" || $0 == " " } }.map(String.init)
  }

  /// More is no card.
  private static let byteLimit = 1 << 20

  /// The card of a model; nil when there is none. A GGUF file has one only where it is the only model of its folder: among
  /// many files nobody knows which of them is meant.
  public init?(_ source: ModelSource) {
    let folder: String
    switch source {
    case .folder: folder = source.path
    case .gguf(let file):
      let url = URL(fileURLWithPath: source.path).deletingLastPathComponent()
      let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
      guard names.filter({ $0.hasSuffix(".gguf") }).count == file.files.count else { return nil }
      folder = url.path
    }
    path = folder + "/README.md"
    guard FileKind(path) == .file, let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let data = try? handle.read(upToCount: Self.byteLimit + 1), data.count <= Self.byteLimit,
      let text = String(validating: data, as: UTF8.self)
    else { return nil }
    self.text = Self.withoutMetadata(text)
  }

  /// Model hubs put YAML between two lines of dashes in front.
  private static func withoutMetadata(_ text: String) -> String {
    guard text.hasPrefix("---\n"), let end = text.dropFirst(4).firstRange(of: "\n---\n") else { return text }
    return String(text[end.upperBound...].drop { $0 == "\n" })
  }
}
