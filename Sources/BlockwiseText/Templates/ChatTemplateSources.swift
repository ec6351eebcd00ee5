public import BlockwiseFiles
internal import Foundation

/// The chat templates that a checkpoint brings, as text: they are read only when they are used, so that one that this
/// version does not understand stands in nobody's way.
///
/// | where | what |
/// |---|---|
/// | `chat_template.jinja` | the template |
/// | `chat_template.json`, `chat_template` (of multimodal models) | the template, or a list of `{name, template}` |
/// | `tokenizer_config.json`, `chat_template` | likewise |
/// | `additional_chat_templates/*.jinja` | templates by name |
/// | GGUF, `tokenizer.chat_template` and `tokenizer.chat_template.NAME` | the template, templates by name |
public struct ChatTemplateSources: Sendable {
  /// One template's text.
  public struct Source: Sendable, Hashable {
    /// `default`, or what the checkpoint calls it, such as `tool_use`.
    public var name: String
    /// Where it stands, for messages.
    public var place: String
    /// The template.
    public var text: String

    /// A template's text.
    public init(name: String = ChatTemplateSources.defaultName, place: String, text: String) {
      self.name = name
      self.place = place
      self.text = text
    }
  }

  /// What the template is called that is used when none is named.
  public static let defaultName = "default"
  /// What the template is called that is used when there are tools, where a checkpoint has one.
  public static let toolName = "tool_use"

  /// All of them, no name twice.
  public private(set) var sources: [Source] = []
  /// What stands in the place of the template of a name and is none. It is thrown where that template is asked for: a
  /// model can be used without one.
  private var problems: [String: TemplateError] = [:]

  /// Given templates; of those with the same name the first one counts.
  public init(_ sources: [Source] = []) { for source in sources { add(source) } }

  /// The templates of what is at `path`: a model folder, of which only the tokenizer's files are read, a GGUF file,
  /// or a folder with one.
  ///
  /// - Throws: ``ModelFileError``, ``TemplateError``: a file cannot be read.
  public init(path: String) throws {
    let files = ["tokenizer_config.json", "chat_template.jinja", "chat_template.json", "tokenizer.json"]
    if files.contains(where: { FileManager.default.fileExists(atPath: path + "/" + $0) }) {
      try self.init(folder: path)
    } else {
      try self.init(try ModelSource(path: path))
    }
  }

  /// The templates of a model's folder; it needs nothing else in it.
  ///
  /// - Throws: ``ModelFileError``, ``TemplateError``: a file cannot be read.
  public init(folder path: String) throws {
    let configurationPath = path + "/tokenizer_config.json"
    var configuration: JSONValue?
    if FileManager.default.fileExists(atPath: configurationPath) {
      let file = try MappedFile(path: configurationPath)
      configuration = try ModelFileError.naming(configurationPath) { try JSONValue(parsing: file.bytes) }
    }
    try self.init(folder: path, configuration: configuration)
  }

  /// The templates of a checkpoint.
  ///
  /// - Throws: ``ModelFileError``, ``TemplateError``: a file cannot be read.
  public init(_ source: ModelSource) throws {
    switch source {
    case .folder(let folder):
      try self.init(folder: folder.path, configuration: folder.tokenizerConfiguration)
    case .gguf(let file): try self.init(gguf: file)
    }
  }

  private init(folder path: String, configuration: JSONValue?) throws {
    let single = path + "/chat_template.jinja"
    if FileManager.default.fileExists(atPath: single) {
      add(Source(place: single, text: try Self.text(single)))
    }
    let older = path + "/chat_template.json"
    if FileManager.default.fileExists(atPath: older) {
      let file = try MappedFile(path: older)
      let value = try ModelFileError.naming(older) { try JSONValue(parsing: file.bytes) }
      add(value["chat_template"], in: older)
    }
    add(configuration?["chat_template"], in: path + "/tokenizer_config.json")
    let folder = path + "/additional_chat_templates"
    for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    where name.hasSuffix(".jinja") {
      let file = folder + "/" + name
      add(Source(name: String(name.dropLast(".jinja".count)), place: file, text: try Self.text(file)))
    }
  }

  /// What stands under `chat_template` in a JSON file.
  private mutating func add(_ value: JSONValue?, in file: String) {
    switch value {
    case nil, .null?: break
    case .string(let text)?: add(Source(place: file, text: text))
    case .array(let elements)?:
      for element in elements {
        guard let name = element["name"]?.stringValue, let text = element["template"]?.stringValue else {
          problems[element["name"]?.stringValue ?? Self.defaultName] = .invalidSource(
            file: file, found: "a list with \(element.summary)",
            expected: "objects with 'name' and 'template'")
          continue
        }
        add(Source(name: name, place: "\(file) (\(name))", text: text))
      }
    case let value?:
      problems[Self.defaultName] = .invalidSource(
        file: file, found: value.summary, expected: "a string or a list")
    }
  }

  private init(gguf file: GGUFFile) throws {
    let key = "tokenizer.chat_template"
    for full in file.keys where full == key || full.hasPrefix(key + ".") {
      let name = full == key ? Self.defaultName : String(full.dropFirst(key.count + 1))
      guard let text = file[full]?.stringValue else {
        problems[name] = .invalidSource(
          file: "\(file.path), \(full)", found: file[full]?.summary ?? "nothing", expected: "a string")
        continue
      }
      add(Source(name: name, place: "\(file.path), \(full)", text: text))
    }
  }

  private mutating func add(_ source: Source) {
    if !sources.contains(where: { $0.name == source.name }) { sources.append(source) }
  }

  private static func text(_ path: String) throws -> String {
    let file = try MappedFile(path: path)
    guard let text = String(validating: file.bytes.bindMemory(to: UInt8.self), as: UTF8.self) else {
      throw TemplateError.invalidSource(file: path, found: "not UTF-8", expected: "UTF-8 text")
    }
    return text
  }

  /// Whether there is none.
  public var isEmpty: Bool { sources.isEmpty }

  /// The names of all templates.
  public var names: [String] { sources.map(\.name) }

  /// Reads a template: the one of that name, else the one for tools if there are tools, else the default one, else
  /// the only one.
  ///
  /// - Returns: nil if the checkpoint has no such template.
  /// - Throws: ``TemplateError``.
  public func template(named name: String? = nil, hasTools: Bool = false) throws(TemplateError)
    -> ChatTemplate?
  {
    var wanted = name.map { [$0] } ?? [Self.defaultName]
    if name == nil, hasTools { wanted.insert(Self.toolName, at: 0) }
    var source: Source?
    for name in wanted where source == nil {
      source = sources.first { $0.name == name }
      if source == nil, let problem = problems[name] { throw problem }
    }
    if source == nil, name == nil, sources.count == 1 { source = sources[0] }
    guard let source else {
      // Where nothing else is there, what should have been a template explains why.
      if sources.isEmpty, let problem = problems.min(by: { $0.key < $1.key })?.value { throw problem }
      return nil
    }
    return try ChatTemplate(source: source.text, name: source.place)
  }
}
