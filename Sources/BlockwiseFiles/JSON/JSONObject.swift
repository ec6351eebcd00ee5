/// The members of a JSON object, in order, found by key in constant time.
///
/// Keys are told apart by their bytes, as JSON does, not by canonical equivalence, as `String` does: `é` in one and
/// in two scalars are two keys.
public struct JSONObject: Sendable {
  /// The keys, in the order they were first set.
  public private(set) var keys: [String] = []
  private var values: [JSONValue] = []
  private var places: [Key: Int] = [:]

  /// An object without members.
  public init() {}

  /// How many members there are.
  public var count: Int { keys.count }

  /// Whether there is no member.
  public var isEmpty: Bool { keys.isEmpty }

  /// The value of a member; setting one that exists keeps its place, setting nil removes it.
  public subscript(key: String) -> JSONValue? {
    get { places[Key(key)].map { values[$0] } }
    set {
      let place = places[Key(key)]
      switch (place, newValue) {
      case (let place?, let value?): values[place] = value
      case (nil, let value?):
        places[Key(key)] = keys.count
        keys.append(key)
        values.append(value)
      case (let place?, nil):
        keys.remove(at: place)
        values.remove(at: place)
        places[Key(key)] = nil
        for index in place..<keys.count { places[Key(keys[index])] = index }
      case (nil, nil): break
      }
    }
  }

  /// A key that is equal to another one only if their bytes are.
  private struct Key: Hashable, Sendable {
    var string: String

    init(_ string: String) { self.string = string }

    static func == (lhs: Key, rhs: Key) -> Bool {
      var (lhs, rhs) = (lhs.string, rhs.string)
      return lhs.withUTF8 { lhs in rhs.withUTF8 { rhs in lhs.elementsEqual(rhs) } }
    }

    func hash(into hasher: inout Hasher) {
      var string = string
      string.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
  }
}

extension JSONObject: Sequence {
  /// Goes through the members in order.
  public func makeIterator() -> some IteratorProtocol<(key: String, value: JSONValue)> {
    zip(keys, values).lazy.map { (key: $0, value: $1) }.makeIterator()
  }
}

extension JSONObject: Hashable {
  /// Equal objects have equal members; their order does not count.
  public static func == (lhs: JSONObject, rhs: JSONObject) -> Bool {
    lhs.count == rhs.count && lhs.allSatisfy { rhs[$0.key] == $0.value }
  }

  /// Hashes the members, whatever their order.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
    var sum = 0  // a sum, so that the order does not count
    for (key, value) in self {
      var member = Hasher()
      member.combine(Key(key))
      member.combine(value)
      sum &+= member.finalize()
    }
    hasher.combine(sum)
  }
}
