internal import Foundation

/// Where files lie that belong to a model without being named: in its folder or, where the model is a folder or a file in a folder
/// of its own name, as the shipped ones are, also beside that.
struct CompanionFiles {
  private let folders: [URL]
  /// The model's file without its extension; nil for a folder.
  private let stem: URL?

  init(beside path: String) {
    let url = URL(fileURLWithPath: path)
    let above = url.deletingLastPathComponent()
    if FileKind(path) == .folder {
      folders = [url, above]
      stem = nil
    } else {
      stem = url.deletingPathExtension()
      let isAlone = above.lastPathComponent == stem?.lastPathComponent
      folders = isAlone ? [above, above.deletingLastPathComponent()] : [above]
    }
  }

  /// Places of files with some names, the most particular first.
  /// - Parameter ending: what is put behind the name of the model's file.
  func paths(_ names: [String], ending: String) -> [String] {
    let own = stem.map {
      $0.deletingLastPathComponent().appendingPathComponent($0.lastPathComponent + ending).relativePath
    }
    return (own.map { [$0] } ?? [])
      + folders.flatMap { folder in
        names.map { folder.appendingPathComponent($0).relativePath }
      }
  }
}
