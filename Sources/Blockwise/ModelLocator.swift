internal import Foundation

/// Finds the file or folder behind what a user calls a model: a path, or the short name of a shipped one.
public struct ModelLocator: Sendable {
  /// The model that is used when none is named.
  public static let defaultName = "base"

  /// Folders that hold shipped models, one folder per name, in the order of the search.
  public var folders: [String]

  /// Searches the given folders.
  public init(folders: [String]) { self.folders = folders }

  /// Searches `Models` in the working directory, and beside the running program and the folders above it.
  public static var standard: ModelLocator {
    var folders = [FileManager.default.currentDirectoryPath + "/Models"]
    if let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      var folder = URL(fileURLWithPath: program).deletingLastPathComponent()
      for _ in 0..<6 where folder.path != "/" {
        folders.append(folder.appendingPathComponent("Models").path)
        folders.append(folder.appendingPathComponent("share/blockwise/Models").path)
        folder = folder.deletingLastPathComponent()
      }
    }
    return ModelLocator(folders: folders)
  }

  /// The path behind `model`: a shipped model of that name, else itself when something is there. A file or folder that
  /// has the name of a shipped model is meant by a path with a slash, such as `./base`.
  /// - Throws: ``ModelLocatorError`` that lists the names there are.
  public func path(for model: String) throws(ModelLocatorError) -> String {
    let files = FileManager.default
    if !["", ".", ".."].contains(model), !model.contains("/") {
      for folder in folders {
        for candidate in ["\(folder)/\(model)", "\(folder)/\(model).gguf"]
        where files.fileExists(atPath: candidate) {
          return candidate
        }
      }
    }
    if files.fileExists(atPath: model) { return model }
    throw ModelLocatorError(model: model, names: names, folders: folders)
  }

  /// The folder of draft heads behind a name: shipped ones, in `heads` beside the models, else a path.
  /// - Throws: ``ModelLocatorError`` that lists the names there are.
  public func headsPath(for name: String) throws(ModelLocatorError) -> String {
    let heads = ModelLocator(folders: folders.map { $0 + "/heads" })
    do {
      return try heads.path(for: name)
    } catch {
      throw ModelLocatorError(model: name, names: error.names, folders: error.folders, kind: "draft heads")
    }
  }

  /// The folder of the held-out tasks that come with Blockwise; nil when it is not there.
  public var tasksFolder: String? {
    folders.map { $0 + "/tasks" }.first { path in
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      return names.contains { $0.hasSuffix(".jsonl") }
    }
  }

  /// The short names of the shipped models that are there.
  public var names: [String] {
    var found: Set<String> = []
    for folder in folders {
      for entry in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
        let path = "\(folder)/\(entry)"
        let contents = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        if contents.contains(where: { $0.hasSuffix(".gguf") || $0 == "config.json" }) { found.insert(entry) }
      }
    }
    return found.sorted()
  }
}

/// Nothing is behind a model's name.
public struct ModelLocatorError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was asked for.
  public var model: String
  /// The short names there are.
  public var names: [String]
  /// What was looked for.
  public var kind = "models"
  /// Where shipped models were looked for.
  public var folders: [String]

  init(model: String, names: [String], folders: [String], kind: String = "models") {
    self.model = model
    self.names = names
    self.folders = folders
    self.kind = kind
  }

  /// What was asked for and the names there are.
  public var description: String {
    let what = kind == "models" ? "there is no file, folder or shipped model" : "there are no \(kind)"
    guard names.isEmpty else {
      return "\(what) \"\(model)\"; shipped \(kind) are " + names.joined(separator: ", ")
    }
    return "\(what) \"\(model)\"; no shipped \(kind) were found in " + folders.joined(separator: ", ")
  }
}
