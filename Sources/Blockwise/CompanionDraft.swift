internal import Foundation

/// The small model that lies beside a model and writes ahead for it without being asked for.
///
/// It is called `draft` (a folder or `draft.gguf`) and lies in the model's folder or, where the model is a folder, beside it, as the
/// shipped `draft` lies beside `base`; or it is called as the model's file is, with `-draft`. It needs the same vocabulary, which is
/// found out when it is loaded, and at most a quarter of the bytes.
struct CompanionDraft: Sendable, Hashable {
  /// Where it is.
  var path: String
  /// Why it is not used; nil while nothing speaks against it.
  var refusal: String?

  /// A pass of one that is larger costs too much of what it saves.
  private static let largestShare = 4

  /// Tokens ahead: on four kinds of text eight and twelve were worth the same, six a little less.
  static let depth = 8

  /// The same, with the reason why it is not used.
  func refused(_ reason: String) -> CompanionDraft {
    var refused = self
    refused.refusal = reason
    return refused
  }

  /// What lies beside a model.
  /// - Parameters:
  ///   - path: of the model's file or folder.
  ///   - modelByteCount: of the model's weights.
  init?(beside path: String, weightByteCount modelByteCount: Int) {
    let own = Self.resolved(path)
    for candidate in CompanionFiles(beside: path).paths(["draft", "draft.gguf"], ending: "-draft.gguf")
    where FileKind.exists(candidate) {
      guard Self.resolved(candidate) != own, Self.weightFile(candidate) != Self.weightFile(path),
        let size = Self.weightByteCount(candidate), size > 0
      else { continue }
      self.path = candidate
      if size > modelByteCount / Self.largestShare {
        refusal = "it has more than a quarter of the model's bytes"
      }
      return
    }
    return nil
  }

  private static func resolved(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
  }

  /// Files of weights in a folder, or the file itself; none where it is something else.
  private static func weightFiles(_ path: String) -> [String] {
    guard FileKind(path) == .folder else { return path.hasSuffix(".gguf") ? [resolved(path)] : [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
      .filter { $0.hasSuffix(".gguf") || $0.hasSuffix(".safetensors") }
      .map { resolved(path + "/" + $0) }
  }

  /// The only file of weights; nil where there are several.
  private static func weightFile(_ path: String) -> String? {
    let files = weightFiles(path)
    return files.count == 1 ? files[0] : resolved(path)
  }

  private static func weightByteCount(_ path: String) -> Int? {
    var sum = 0
    for file in weightFiles(path) {
      guard FileKind(file) == .file,
        let size = (try? FileManager.default.attributesOfItem(atPath: file))?[.size] as? Int
      else { return nil }
      sum += size
    }
    return sum
  }
}
