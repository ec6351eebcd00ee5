import BlockwiseFiles
import BlockwiseText
import Testing

/// The language of templates, construct by construct, beside what Jinja 3.1 renders with the settings of the library
/// that the templates of checkpoints are written for.
struct TemplateLanguageTests {
  @Test func `every construct renders as in the reference, or fails as there`() throws {
    let variables = try #require(try JSONValue(parsing: Self.variables).objectValue)
    var count = 0
    for line in Self.cases.split(separator: "\n") {
      let item = try JSONValue(parsing: String(line))
      let source = try #require(item[0]?.stringValue)
      let result = Result { () throws(TemplateError) in
        try ChatTemplate(source: source).render(
          messages: variables["messages"] ?? .null, bosToken: "<s>", eosToken: "</s>",
          variables: variables,
          clock: TemplateClock(year: 2025, month: 3, day: 9, hour: 14, minute: 5, second: 6))
      }
      if let expected = item[1]?.stringValue {
        let text = try? result.get()
        #expect(text.map { Array($0.utf8) } == Array(expected.utf8), "\(source): \(result)")
      } else {
        #expect(throws: TemplateError.self, "\(source)") { try result.get() }
      }
      count += 1
    }
    #expect(count > 100)
  }

  static let variables = #"""
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, \"you\"\n"}, {"role": "user", "content": "Bye é"}], "tools": null, "documents": null, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "d": {"b": 1, "a": [1, 2.5, null, true, "x'y"], "items": {"z": "é"}, "e": {}}, "n": 7, "f": 1.5, "s": "  The quick, brown fox  ", "t": [3, 1, 2], "w": "straße ǆ ÀB c's"}
    """#

  /// Template and text; null where the reference refuses.
  static let cases = #"""
    ["{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 7 % -3 }}", "6 3.5 -4 2 1024 -2"]
    ["{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 123456.789 }} {{ 2.5e-7 }} {{ 1e22 }} {{ 100.0 * 3 }} {{ 9007199254740993.0 }}", "1.0 1e+16 1000000000000000.0 0.0001 1e-05 123456.789 2.5e-07 1e+22 300.0 9007199254740992.0"]
    ["{{ 0.1 + 0.2 }} {{ -0.0 }} {{ 5 // 2.0 }} {{ 5.5 % 2 }}", "0.30000000000000004 -0.0 2.0 1.5"]
    ["{{ true }} {{ none }} {{ false or 3 }} {{ 0 or '' or [] }} {{ 1 and 'x' }} {{ not 1 }} {{ not not 1 }}", "True None 3 [] x False True"]
    ["{{ 'a' 'b' }} {{ \"q\\\"q\" }} {{ 'tab\\tnew\\nline\\\\ \\x41 \\u00e9 \\q' }}", "ab q\"q tab\tnew\nline\\ A é \\q"]
    ["{{ d }}", "{'b': 1, 'a': [1, 2.5, None, True, \"x'y\"], 'items': {'z': 'é'}, 'e': {}}"]
    ["{{ d.a }} {{ d['a'] }} {{ d['items'] }} {{ d['items'].z }} {{ d.items() | list }}", "[1, 2.5, None, True, \"x'y\"] [1, 2.5, None, True, \"x'y\"] {'z': 'é'} é [('b', 1), ('a', [1, 2.5, None, True, \"x'y\"]), ('items', {'z': 'é'}), ('e', {})]"]
    ["{{ d | tojson }} {{ d.a | tojson(indent=2) }} {{ d.e | tojson(indent=4) }} {{ [] | tojson(indent=2) }}", "{\"b\": 1, \"a\": [1, 2.5, null, true, \"x'y\"], \"items\": {\"z\": \"é\"}, \"e\": {}} [\n  1,\n  2.5,\n  null,\n  true,\n  \"x'y\"\n] {} []"]
    ["{{ d | tojson(sort_keys=true) }} {{ \"é\\u2028</x>'&\" | tojson }} {{ \"é🙂\" | tojson(ensure_ascii=true) }} {{ [1,2] | tojson(separators=(',', ':')) }}", "{\"a\": [1, 2.5, null, true, \"x'y\"], \"b\": 1, \"e\": {}, \"items\": {\"z\": \"é\"}} \"é\u2028</x>'&\" \"\\u00e9\\ud83d\\ude42\" [1,2]"]
    ["{{ (1, 2) }} {{ (1,) }} {{ () }} {{ [(1, 'a')] }} {{ {'k': (1, [2])} }}", "(1, 2) (1,) () [(1, 'a')] {'k': (1, [2])}"]
    ["{{ s | trim }}|{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyax' | trim('xy') }}", "The quick, brown fox|The quick, brown fox|The quick, brown fox  |  The quick, brown fox|a|a"]
    ["{{ s.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,,c'.split(',', 1) }} {{ 'a b  c '.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }}", "['The', 'quick,', 'brown', 'fox'] ['a', 'b', '', 'c'] ['a', 'b,,c'] ['a', 'b  c '] ['a,b', 'c']"]
    ["{{ 'abc'[1] }} {{ 'abc'[-1] }} {{ 'abc'[::-1] }} {{ 'abcdef'[1:4] }} {{ 'abcdef'[:-2] }} {{ 'abcdef'[::2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abc'[10:] }} {{ 'abc'[-10:2] }}", "b c cba bcd abcd ace edc  ab"]
    ["{{ t[0] }} {{ t[-1] }} {{ t[1:] }} {{ t[::-1] }} {{ t[5] }}|{{ t[:0] }} {{ t[-2:] }} {{ t[5:2:-1] }} {{ [][::-1] }}", "3 2 [1, 2] [2, 1, 3] |[] [1, 2] [] []"]
    ["{{ t.x }}|{{ n.foo }}|{{ none.foo }}|{{ nope }}|{{ 'abc'.nope }}", "||||"]
    ["{{ nope.foo }}", null]
    ["{{ nope + 1 }}", null]
    ["{{ 'a' + nope }}", null]
    ["{{ 'a' ~ nope ~ none ~ 1 ~ true }}", "aNone1True"]
    ["{{ 'a' + 1 }}", null]
    ["{{ none + 'a' }}", null]
    ["{{ 'x' * 3 }} {{ [1] * 2 }} {{ 3 * 'ab' }} {{ [1] + [2] }}", "xxx [1, 1] ababab [1, 2]"]
    ["{{ 'a' in 'cat' }} {{ 'z' in 'cat' }} {{ 'b' in d }} {{ 3 in t }} {{ 9 not in t }} {{ 'x' in nope }} {{ '' in 'a' }}", "True False True True True False True"]
    ["{{ 'a' in none }}", null]
    ["{{ 1 in 'a1' }}", null]
    ["{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }} {{ none == nope }} {{ [1] == (1,) }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }}", "True False True True True True False False False True"]
    ["{{ 1 < 'a' }}", null]
    ["{{ 'y' if n > 5 else 'n' }} {{ 'y' if n < 5 }}| {{ 'a' if false else 'b' if false else 'c' }}", "y | c"]
    ["{{ n is defined }} {{ nope is defined }} {{ nope is undefined }} {{ nope is not defined }} {{ none is none }} {{ n is number }} {{ true is number }} {{ true is integer }} {{ f is float }} {{ n is string }}", "True False True True True True True False True False"]
    ["{{ d is mapping }} {{ t is mapping }} {{ t is sequence }} {{ d is sequence }} {{ 'a' is sequence }} {{ n is iterable }} {{ 'a' is iterable }} {{ t is iterable }} {{ nope is iterable }} {{ true is boolean }} {{ 1 is boolean }} {{ false is false }} {{ 0 is false }} {{ 1 is true }}", "True False True True True False True True True True False True False False"]
    ["{{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is divisibleby(3) }} {{ 'a' is in 'abc' }} {{ 3 is in t }} {{ n is eq 7 }} {{ n is gt 5 and n is lt 9 }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ n is sameas 7 }}", "True False True False True True True True True True True"]
    ["{{ s | upper }} {{ w | upper }} {{ w | lower }} {{ w | title }} {{ w.title() }} {{ w | capitalize }} {{ w.capitalize() }} {{ \"they're bill's\" | title }} {{ \"they're bill's\".title() }} {{ 'x-ray (big) <y>' | title }}", "  THE QUICK, BROWN FOX   STRASSE Ǆ ÀB C'S straße ǆ àb c's Straße Ǆ Àb C's Straße ǅ Àb C'S Straße ǆ àb c's Straße ǆ àb c's They're Bill's They'Re Bill'S X-Ray (Big) <Y>"]
    ["{{ s | length }} {{ 'é🙂👨‍👩‍👧' | length }} {{ d | length }} {{ t | count }} {{ nope | length }} {{ \"\\r\\n\" | length }}", "24 7 4 3 0 2"]
    ["{{ n | length }}", null]
    ["{{ none | length }}", null]
    ["{{ t | join(', ') }} {{ t | join }} {{ messages | join('|', attribute='role') }} {{ 'abc' | join('-') }} {{ nope | join(',') }}|{{ [1, none, 'x'] | join('/') }}", "3, 1, 2 312 user|assistant|user a-b-c |1/None/x"]
    ["{{ t | first }} {{ t | last }} {{ [] | first }}| {{ 'abc' | last }} {{ d | first }}", "3 2 | c b"]
    ["{{ t | sort }} {{ t | sort(reverse=true) }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ messages | sort(attribute='content') | map(attribute='role') | join(',') }}", "[1, 2, 3] [3, 2, 1] ['A', 'b', 'c'] ['A', 'b', 'c'] user,assistant,user"]
    ["{{ d | dictsort }} {{ {'b': 2, 'A': 1} | dictsort }} {{ {'b': 2, 'a': 3} | dictsort(by='value', reverse=true) }}", "[('a', [1, 2.5, None, True, \"x'y\"]), ('b', 1), ('e', {}), ('items', {'z': 'é'})] [('A', 1), ('b', 2)] [('a', 3), ('b', 2)]"]
    ["{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }} {{ messages | rejectattr('role', 'equalto', 'user') | list | length }} {{ messages | selectattr('nope') | list }} {{ messages | selectattr('nope', 'defined') | list }}", "['Hi', 'Bye é'] 1 [] []"]
    ["{{ [0, 1, 2, '', 'a'] | select | list }} {{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('gt', 1) | list }} {{ ['a', 'b'] | map('upper') | list }} {{ [' a '] | map('trim') | join }} {{ [{'a': {'b': 5}}, {'a': {}}] | map(attribute='a.b', default='-') | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }}", "[1, 2, 'a'] [1, 3] [1] ['A', 'B'] a [5, '-'] [2, 4]"]
    ["{{ 'yes' if messages | selectattr('role', 'equalto', 'nobody') else 'no' }}", "yes"]
    ["{{ messages | selectattr('role', 'equalto', 'user') | length }}", null]
    ["{{ nope | default('x') }} {{ '' | default('x') }}| {{ '' | default('x', true) }} {{ none | default('x') }} {{ none | d('y', boolean=true) }} {{ d.nope | default(5) }}", "x | x None y 5"]
    ["{{ 'a-b-c' | replace('-', '+') }} {{ 'a-b-c' | replace('-', '+', 1) }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc'.replace('', '.') }} {{ 5 | replace(5, 6) }}", "a+b+c a+b-c bba .a.b.c. 6"]
    ["{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '3.9' | int }} {{ 3.9 | int }} {{ -3.9 | int }} {{ 'ff' | int(base=16) }} {{ true | int }} {{ '2.5' | float }} {{ 'x' | float }} {{ n | float }} {{ none | int }}", "42 0 7 3 3 -3 255 1 2.5 0.0 7.0 0"]
    ["{{ 5 | string ~ '!' }} {{ d.a | string }} {{ none | string }} {{ -3 | abs }} {{ -2.5 | abs }} {{ [1, 2.5] | sum }} {{ t | max }} {{ t | min }} {{ ['b', 'A'] | max }} {{ [1, 1, 2] | unique | list }} {{ ['a', 'A'] | unique | list }} {{ 'abc' | reverse }} {{ t | reverse | list }}", "5! [1, 2.5, None, True, \"x'y\"] None 3 2.5 3.5 3 1 b [1, 2] ['a'] cba [2, 1, 3]"]
    ["{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(2, blank=true) }}|{{ 'a\\nb' | indent('> ') }}|{{ '' | indent(2, true) }}", "a\n    b\n\n    c|  a\n  b|a\n  \n  b|a\n> b|  "]
    ["{{ '<a href=\"x\">\\'&' | escape }} {{ '<b>' | e }} {{ '<b>' | safe }}", "&lt;a href=&#34;x&#34;&gt;&#39;&amp; &lt;b&gt; <b>"]
    ["{{ d | items | list }} {{ nope | items | list }} {{ d.keys() | list }} {{ d.values() | list | length }} {{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 'q') }} {{ d.keys() | length }}", "[('b', 1), ('a', [1, 2.5, None, True, \"x'y\"]), ('items', {'z': 'é'}), ('e', {})] [] ['b', 'a', 'items', 'e'] 4 1 None q 4"]
    ["{{ n | items | list }}", null]
    ["{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.cycle('a', 'b') }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.nextitem.role if not loop.last }};{% endfor %}", "1032TrueFalse3aassistant;2121FalseFalse3buseruser;3210FalseTrue3aassistant;"]
    ["{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}", "b=1;a=[1, 2.5, None, True, \"x'y\"];items={'z': 'é'};e={};baitemse"]
    ["{% for x in t if x > 1 %}{{ loop.index }}:{{ x }} {% else %}none{% endfor %}{% for x in [] %}{% else %}empty{% endfor %}", "1:3 2:2 empty"]
    ["{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "02"]
    ["{% for x in none %}{% endfor %}", null]
    ["{% for x in 5 %}{% endfor %}", null]
    ["{% for a, b in [[1, 2], (3, 4)] %}{{ a + b }} {% endfor %}{% for c in 'ab' %}{{ c }}.{% endfor %}", "3 7 a.b."]
    ["{% for a, b in [[1, 2, 3]] %}{% endfor %}", null]
    ["{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}", "1@1[2@2[3@3]]"]
    ["{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "True False True "]
    ["{% set x = 1 %}{% for i in t %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "4 2 3 1"]
    ["{% set ns = namespace(x=1, y=[]) %}{% for i in t %}{% set ns.x = ns.x + i %}{% set ns.y = ns.y + [i] %}{% endfor %}{{ ns.x }} {{ ns.y }} {{ ns.z is defined }}", "7 [3, 1, 2] False"]
    ["{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}", "1234"]
    ["{% set x %}  block {{ n }} {% endset %}[{{ x }}]{% set y | trim | upper %} abc {% endset %}[{{ y }}]", "[  block 7 ][ABC]"]
    ["{% set d.x = 1 %}", null]
    ["{% macro m(a, b=2, c='z') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=5, a=4) }} {{ m() }} {{ m(1, 2, 3) | length }}", "1-2-z 1-2-3 4-5-z -2-z 5"]
    ["{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", null]
    ["{% macro m(a) %}{% endmacro %}{{ m(z=2) }}", null]
    ["{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}", "(2, 3){'k': 4}"]
    ["{% macro m(k) %}{% for i in range(k) %}{{ m(i) }}({{ i }}){% endfor %}{% endmacro %}{{ m(3) }}", "(0)(0)(1)(0)(0)(1)(2)"]
    ["{% macro box(t) %}<{{ t }}:{{ caller() }}>{% endmacro %}{% call box('x') %}in {{ n }}{% endcall %}{% macro each(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each(t) %}[{{ i }}]{% endcall %}", "<x:in 7>[3][1][2]"]
    ["{% set g = 'global' %}{% macro m() %}{{ g }}{{ h is defined }}{% endmacro %}{% for h in [1] %}{% set g = 'local' %}{{ m() }}{% endfor %}", "globalFalse"]
    ["{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b') | trim %} aaa {% endfilter %}", "ABC   THE QUICK, BROWN FOX  bbb"]
    ["{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a is defined }}", "8False"]
    ["{% raw %}{{ not }} {% if %}{% endraw %}x{# comment {{ #}y", "{{ not }} {% if %}xy"]
    ["{% if n > 100 %}a{% elif n > 5 %}b{% else %}c{% endif %}{% if not tools %}none{% endif %}{% if nope %}{% else %}undef{% endif %}", "bnoneundef"]
    ["{% set j = joiner(', ') %}{% for x in t %}{{ j() }}{{ x }}{% endfor %} {% set c = cycler('a', 'b') %}{{ c.next is defined }}", "3, 1, 2 True"]
    ["{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ dict(a=1, b='x') }}", "[0, 1, 2] [1, 2, 3] [5, 3, 1] {'a': 1, 'b': 'x'}"]
    ["{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %j %y %I %p %-d %%') }}", "2025-03-09 14:05:06 March Mar Sunday Sun 068 25 02 PM 9 %"]
    ["{{ raise_exception('no ' ~ n) }}", null]
    ["{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'a-b'.find('-') }} {{ 'é-'.find('-') }} {{ 'abc'.find('z') }} {{ 'aXbX'.count('X') }} {{ 'ab'.upper() }} {{ ', '.join(['a', 'b']) }} {{ 'ab12'.isalnum() }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'prefix-x'.removeprefix('prefix-') }}", "True True 1 1 -1 2 AB a, b True True True True ['a', 'b', 'c'] x"]
    ["{{ \"it's\" }} {{ [\"it's\", 'say \"x\"', 'both \\' \"', 'nl\\n', '\\x1b\\u200b\\xa0é'] }}", "it's [\"it's\", 'say \"x\"', 'both \\' \"', 'nl\\n', '\\x1b\\u200b\\xa0é']"]
    ["{{ messages[0]['role'] }}{{ messages[0].content }}{{ messages[-1].content }}{{ messages[1:] | length }}{{ messages[0].nope is defined }}", "userHiBye é2False"]
    ["{{ messages[99].role }}", null]
    ["{{ messages[99] is defined }}", "False"]
    ["{{ [1, 2, 3].index(2) }} {{ [1, 1].count(1) }}", "1 2"]
    ["{{ not n is defined }} {{ n is defined and n is number or false }} {{ 1 + 1 ~ 'x' }} {{ 2 * 3 ~ 4 }} {{ -n | abs }} {{ -2 ** 2 }} {{ 1 - 1 - 1 }} {{ 2 ** 3 ** 2 }}", null]
    ["{{ 'a' < nope }}", null]
    ["{{ nope() }}", null]
    ["{{ 5() }}", null]
    ["{{ {'a': 1}.a }} {{ [1, 2, 3,] }} {{ {'x': 1,} }} {{ ('a' if true else 'b') ~ 'c' }}", "1 [1, 2, 3] {'x': 1} ac"]
    ["{{ 1_000 }} {{ d.a.0 }} {{ d.a.1 + 0.5 }}", "1000 1 3.0"]
    ["{%- for m in messages -%}\n  {{ m.role }}\n{% endfor %}END", "user\nassistant\nuser\nEND"]
    ["A\n  {% if true %}\n  B\n  {% endif %}\nC\n  {# comment #}\nD {% if true %}x{% endif %} \nE\n", "A\n  B\nC\nD x \nE"]
    ["A\n   {%+ if true %}B{% endif +%}\nC {%- if true -%}  D  {%- endif -%}  E\n", "A\n   B\nCDE"]
    ["{% if true %}\n\nx{% endif %}\n\n{{ n }}\n {{- n -}} \ny\n\n", "\nx\n77y\n"]
    ["a {#- b -#} c\n  {#+ d +#}\ne", "ac\n  \ne"]
    ["x\r\n  {% if true %}\r\ny\r{% endif %}\r\n", "x\ny\n"]
    ["  {% raw %}\n  {{ a }}\n  {% endraw %}\nz\n{%- raw -%}  b  {%- endraw -%}  c", "\n  {{ a }}\nzbc"]
    ["{{ 'a\nb' }}|{{ n }}\n\n", "a\nb|7\n"]
    ["\n\n{% set x = 1 %}\n\n{{ x }}\n", "\n\n\n1"]
    [" {% if 1 %}{% endif %} {% if 1 %}\n {% endif %}\n", " "]
    ["{{ not n is defined }} {{ n is defined and n is number or false }} {{ 1 ~ 1 + 'x' }} {{ 2 * 3 ~ 4 }} {{ -n | abs }} {{ -2 ** 2 }} {{ 1 - 1 - 1 }} {{ 2 ** 3 ** 2 }}", "False True 11x 64 7 4 -1 64"]
    ["{{ 'a,b'.rsplit(',', 9223372036854775807) | length }} {% set x = [] * 9223372036854775807 %}{{ x | length }}", "2 0"]
    """#
}
