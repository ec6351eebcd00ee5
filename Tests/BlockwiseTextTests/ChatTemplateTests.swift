import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

struct ChatTemplateTests {
  static let messages: JSONValue = [
    ["role": "user", "content": "Hello"], ["role": "assistant", "content": "Hi."],
  ]

  static func render(_ source: String, limits: TemplateLimits = TemplateLimits()) throws(TemplateError)
    -> String
  {
    try ChatTemplate(source: source, name: "t").render(messages: messages, limits: limits)
  }

  // MARK: Refusals

  @Test(arguments: [
    ("a\n{% include 'x' %}", 2, "the tag 'include'"), ("{% block b %}{% endblock %}", 1, "the tag 'block'"),
    ("\n\n{% do x %}", 3, "the tag 'do'"), ("{{ 1 | pprint }}", 1, "the filter 'pprint'"),
    ("{% if false %}\n{{ 1 | nope }}{% endif %}", 2, "the filter 'nope'"),
    ("{{ 1 is prime }}", 1, "the test 'prime'"), ("{{ f(*a) }}", 1, "'*' before an argument"),
    ("{{ '%s' % 1 }}", 1, "'%' as the formatting of a string"),
    ("{{ 'a'.zfill(3) }}", 1, "the method 'zfill' of a string"),
    ("\n{{ strftime_now('%Q') }}", 2, "'%Q' in a format of a time"),
    ("{{ [1] | map('nope') }}", 1, "the filter 'nope'"),
    (
      "{{ messages[0].pop('role') }}", 1,
      "changing a list or dictionary that is neither a variable nor a namespace's member"
    ),
  ])
  func `what is not supported is refused by name and line`(source: String, line: Int, construct: String) {
    #expect(throws: TemplateError.unsupported(template: "t", line: line, construct: construct)) {
      try Self.render(source)
    }
  }

  @Test(arguments: [
    ("{{ 1", 1), ("{% if %}", 1), ("a\n{% if true %}b", 2), ("{{ 'abc }}", 1), ("{{ (1 }}", 1), ("{# x", 1),
    ("{{ }}", 1), ("{% endif %}", 1), ("{% for x %}{% endfor %}", 1), ("{% set 1 = 2 %}", 1),
    ("{{ 1 2 }}", 1),
    ("{% raw %}a", 1), ("{% break %}", 1), ("{{ a.% }}", 1), ("{{ 99999999999999999999 }}", 1),
    ("{% macro m(a, a) %}{% endmacro %}", 1), ("{{ ] }}", 1), ("{{ '\\xZZ' }}", 1), ("{% %}", 1),
    ("{% if true %}{% else %}{% else %}{% endif %}", 1), ("{{ 1e999 }}", 1), ("{{ 1 if }}", 1),
  ])
  func `what is no template is refused with its line`(source: String, line: Int) throws {
    do {
      _ = try ChatTemplate(source: source, name: "t")
      Issue.record("\(source) was read")
    } catch {
      switch error {
      case .syntax(_, let found, _, _): #expect(found >= line)
      default: Issue.record("\(source): \(error)")
      }
    }
  }

  @Test func `an error says which template, where, and what is wrong`() throws {
    let template = try ChatTemplate(source: "a\nb\n{{ messages[0].name.first }}", name: "chat_template.jinja")
    do {
      _ = try template.render(messages: Self.messages)
      Issue.record("rendered")
    } catch {
      #expect(
        "\(error)"
          == "chat_template.jinja, line 3: the member 'name' of a dictionary is not defined, so it has no 'first'"
      )
    }
    do {
      _ = try Self.render("{{ raise_exception('Roles must alternate') }}")
      Issue.record("rendered")
    } catch { #expect("\(error)" == "t refuses the messages: Roles must alternate") }
  }

  // MARK: Beyond the reference

  @Test func `lists and dictionaries of variables and namespaces can be changed in place`() throws {
    #expect(
      try Self.render(
        "{% set a = [] %}{% for m in messages %}{% set _ = a.append(m.role) %}{% endfor %}{{ a }}{{ a.pop() }}{{ a }}"
      )
        == "['user', 'assistant']assistant['user']")
    #expect(
      try Self.render(
        "{% set ns = namespace(d={}) %}{% set _ = ns.d.update({'k': 1}, z=2) %}{% set _ = ns.d.setdefault('q', 3) %}{{ ns.d }}{{ ns.d.pop('k') }}"
      )
        == "{'k': 1, 'z': 2, 'q': 3}1")
  }

  @Test func `generation tags are looked through`() throws {
    #expect(try Self.render("{% generation %}{{ messages[1].content }}{% endgeneration %}") == "Hi.")
  }

  @Test func `a template tells which variables it looks at`() throws {
    let template = try ChatTemplate(
      source: "{% if enable_thinking is defined %}{% endif %}{% macro m(x) %}{{ y }}{% endmacro %}")
    #expect(template.variableNames.isSuperset(of: ["enable_thinking", "y"]))
    #expect(!template.variableNames.contains("thinking"))
  }

  @Test func `contents are told apart by their scalars and not by how they look`() throws {
    let template = try ChatTemplate(
      source: "{{ messages[0].content == messages[1].content }}{{ messages[0].content | length }}"
        + "{{ '\\r\\n'.split('\\n') }}")
    #expect(
      try template.render(messages: [["content": "é"], ["content": "e\u{301}"]]) == "False1['\\r', '']")
  }

  @Test func `the present is the default time`() throws {
    let now = TemplateClock.now
    let year = try Self.render("{{ strftime_now('%Y') }}")
    #expect(year == "\(now.year)" || year == "\(TemplateClock.now.year)")
  }

  // MARK: Limits

  @Test(arguments: [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(s='ab') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='ab') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{{ ns.s }}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(10000) %}{% set ns.s = [ns.s] %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{{ 'a' * 10000000000 }}", "{{ [1] * 10000000000 }}",
    "{{ 'a' * 1000000 | length * 9000000000000000000 }}",
    "{{ range(1000000000) }}", "{{ 'ab' | indent(9000000000000000000) }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
    "{% set a = 'a' * 1000000 %}{{ (a ~ 'b') in (a ~ a) }}{% for i in range(1000) %}{{ (a ~ 'b') in (a ~ a) }}{% endfor %}",
    "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 3 ** 100 }}", "{{ 1 // 0 }}",
    "{{ 1 / 0 }}",
    "{{ 1 % 0 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) | abs }}",
    "{{ 1e300 | int }}", "{{ 5 | tojson(indent=-9223372036854775807) ~ [1] | tojson(indent=99999999999) }}",
  ])
  func `a template that asks for too much ends in an error`(source: String) {
    #expect(throws: TemplateError.self, "\(source)") { try Self.render(source) }
  }

  @Test func `deep nesting is refused when a template is read`() {
    let deep = [
      String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000),
      String(repeating: "[", count: 5000), String(repeating: "{'a':", count: 5000),
      String(repeating: "-", count: 5000) + "1", String(repeating: "a if b else ", count: 5000) + "c",
      String(repeating: "a[", count: 5000), String(repeating: "a(", count: 5000),
      String(repeating: "1|default(", count: 5000), String(repeating: "1 is eq(", count: 5000),
    ].map { "{{ \($0) }}" }
    let tags =
      [
        "{% if a %}", "{% for a in b %}", "{% macro m() %}", "{% set x %}", "{% filter upper %}",
        "{% with %}",
      ]
      .map { String(repeating: $0, count: 5000) } + ["{% set " + String(repeating: "(", count: 5000)]
    for source in deep + tags {
      #expect(throws: TemplateError.self, "\(source.prefix(40))") { try ChatTemplate(source: source) }
    }
    #expect(throws: TemplateError.self) { try ChatTemplate(source: String(repeating: "a", count: 1 << 21)) }
  }

  @Test func `long chains are no nesting`() throws {
    #expect(try Self.render("{{ 1" + String(repeating: " + 1", count: 5000) + " }}") == "5001")
    #expect(try Self.render("{{ " + String(repeating: "not ", count: 5001) + "1 }}") == "False")
    #expect(try Self.render("{{ ' a '" + String(repeating: " | trim", count: 5000) + " }}") == "a")
    #expect(try Self.render("{{ 'a'" + String(repeating: " ~ 'a'", count: 5000) + " }}").count == 5001)
    #expect(
      try Self.render(
        "{% if false %}" + String(repeating: "{% elif false %}", count: 2000) + "{% else %}e{% endif %}")
        == "e")
  }

  @Test func `deeply nested messages are rendered or refused, never a crash`() throws {
    let depth = 255
    let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    let value = try JSONValue(parsing: text)
    let template = try ChatTemplate(source: "{{ messages | tojson }}{{ messages }}{{ messages == messages }}")
    #expect(try template.render(messages: value) == text + text + "True")
    let macro = try ChatTemplate(
      source: "{% macro m(x) %}[{% for y in x %}{{ m(y) }}{% endfor %}]{% endmacro %}{{ m(messages) }}")
    #expect(throws: TemplateError.self) { try macro.render(messages: value) }
    let shallow = try JSONValue(parsing: "[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]")
    #expect(try macro.render(messages: shallow) == shallow.text())
  }

  @Test func `limits can be set`() throws {
    #expect(throws: TemplateError.self) {
      try Self.render("{{ 'a' * 100 }}", limits: TemplateLimits(textByteCount: 50))
    }
    #expect(throws: TemplateError.self) {
      try Self.render("{% for i in range(10) %}{{ i }}{% endfor %}", limits: TemplateLimits(stepCount: 20))
    }
  }
}
