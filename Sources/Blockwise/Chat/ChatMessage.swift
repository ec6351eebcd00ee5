public import BlockwiseFiles

/// One message of a conversation.
public struct ChatMessage: Sendable, Hashable {
  /// Who speaks: most templates know `system`, `user`, `assistant` and `tool`.
  public struct Role: RawRepresentable, Sendable, Hashable, ExpressibleByStringLiteral {
    /// What the template is told.
    public var rawValue: String
    /// A role by its name.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// A role by its name.
    public init(stringLiteral value: String) { rawValue = value }

    /// Instructions before the conversation.
    public static let system: Role = "system"
    /// The person.
    public static let user: Role = "user"
    /// The model.
    public static let assistant: Role = "assistant"
    /// The result of a tool.
    public static let tool: Role = "tool"
  }

  /// Who speaks.
  public var role: Role
  /// What is said; empty where a message only calls tools.
  public var content: String
  /// Other members, such as `tool_calls` and `reasoning_content`, handed to the template as they are.
  public var members: JSONObject

  /// A message.
  public init(role: Role, content: String, members: JSONObject = JSONObject()) {
    self.role = role
    self.content = content
    self.members = members
  }

  /// Instructions before the conversation.
  public static func system(_ content: String) -> ChatMessage { ChatMessage(role: .system, content: content) }
  /// What the person says.
  public static func user(_ content: String) -> ChatMessage { ChatMessage(role: .user, content: content) }
  /// What the model says.
  public static func assistant(_ content: String) -> ChatMessage {
    ChatMessage(role: .assistant, content: content)
  }

  /// Reads a message as chat services write it.
  ///
  /// - Throws: ``JSONKeyError``: `role` is missing, or `content` is neither a string nor missing.
  public init(_ json: JSONValue) throws(JSONKeyError) {
    role = Role(rawValue: try json.string("role"))
    content = try json.stringIfPresent("content") ?? ""
    members = JSONObject()
    for (key, value) in try json.object() where key != "role" && key != "content" { members[key] = value }
  }

  /// The message as templates and chat services expect it.
  public var json: JSONValue {
    var object = JSONObject()
    object["role"] = .string(role.rawValue)
    object["content"] = .string(content)
    for (key, value) in members where key != "role" && key != "content" { object[key] = value }
    return .object(object)
  }
}
