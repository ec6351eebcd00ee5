import BlockwiseEvaluation
import Testing

@Suite struct PythonRunnerTests {
  static let runner = try? PythonRunner()

  @Test(.enabled(if: runner != nil, "python3 or its isolation is missing"))
  func `programs run apart and within limits`() throws {
    let runner = try #require(Self.runner)
    let tests = ["assert f(2) == 3", "assert f('é') == 'ü'"]
    let right = "def f(x):\n    return x + 1 if x == 2 else 'ü'"
    #expect(runner.passes(right, tests: tests))
    #expect(
      runner.passes("def f(x):\n    print('much' * 1000000)\n    return 3", tests: ["assert f(2) == 3"]))
    for program in [
      "def f(x):\n    return x", "def f(", "", "import os\nos._exit(0)", "raise SystemExit(0)",
      "open('/etc/passwd')",
      "def f(x):\n    while True: pass", "x = [0] * (1 << 28)\n" + right,
      "open('blockwise-test', 'w').write('x')\n" + right,
      "import socket\nsocket.socket()\n" + right, "import os\nos.environ['HOME']\n" + right,
      "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n" + right,
    ] {
      #expect(!runner.passes(program, tests: tests), "\(program)")
    }
  }
}
