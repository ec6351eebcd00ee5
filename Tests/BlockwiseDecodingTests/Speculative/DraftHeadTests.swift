import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Heads against what NumPy makes of their definitions, and what is refused.
@Suite struct DraftHeadTests {
  static let fixtures =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/Fixtures"

  static func model() throws -> DecoderModel {
    try DecoderModel.load(
      ModelSource(path: fixtures + "/models/llama"), options: ModelLoadOptions(compute: .f32, threadCount: 2))
  }

  struct Expected {
    let store: SafetensorsFile

    init(_ name: String) throws {
      store = try SafetensorsFile(path: "\(fixtures)/heads/\(name)/expected.safetensors")
    }

    func floats(_ name: String) throws -> [Float] {
      let view = try store.tensor(named: name)
      return (0..<view.elementCount).map { view.bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }

    func tokens(_ name: String) throws -> [TokenID] {
      let view = try store.tensor(named: name)
      return (0..<view.elementCount).map {
        TokenID(Int(view.bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)))
      }
    }
  }

  static func difference(_ found: some Sequence<Float>, _ expected: some Collection<Float>) -> Float {
    var worst: Float = 0
    var count = 0
    for (a, b) in zip(found, expected) {
      worst = max(worst, abs(a - b))
      count += 1
    }
    return count == expected.count ? worst / (expected.map(abs).max() ?? 1) : .infinity
  }

  @Test func `Medusa's heads compute what NumPy does, all that the file holds`() async throws {
    let expected = try Expected("medusa")
    let heads = try DraftHeads.load(path: Self.fixtures + "/heads/medusa", target: try Self.model())
    // The configuration says five.
    #expect(heads.depth == 2 && heads.kind == .medusa)
    let logits = try expected.floats("logits")
    for head in 0..<2 {
      let found = try await heads.outputs(of: head, expected.floats("states"))
      #expect(Self.difference(found, logits[head * 3 * 288..<(head + 1) * 3 * 288]) < 1e-5)
    }
  }

  @Test func `Medusa's tree is made of the likeliest combinations`() async throws {
    let states = Array(try Expected("medusa").floats("states").suffix(32))
    let heads = try DraftHeads.load(path: Self.fixtures + "/heads/medusa", target: try Self.model())
    var source = MedusaSource(heads: heads, depth: 2, width: 3, minimum: 0)
    try await source.read(TokenStates(firstPosition: 4, count: 1, values: [.final: states]))
    let tree = try await source.propose(
      DraftContext(tokens: [1, 2, 3, 4, 5, 6], maximumNodeCount: 5, maximumDepth: 2))
    #expect(tree.count == 5)
    // Both levels rank alike behind every node, because heads do not see the path.
    var all: [Float] = []
    let first = softmax(try await heads.outputs(of: 0, states)).prefix(3)
    let second = softmax(try await heads.outputs(of: 1, states)).prefix(3)
    for a in first { all += [a.1] + second.map { a.1 * $0.1 } }
    let found = tree.nodes.map {
      $0.parent < 0 ? $0.confidence : $0.confidence * tree.nodes[$0.parent].confidence
    }
    #expect(Self.difference(found.sorted(by: >), all.sorted(by: >).prefix(5)) < 1e-4)
    // The state of another position says nothing.
    let other = try await source.propose(
      DraftContext(tokens: [1, 2, 3], maximumNodeCount: 5, maximumDepth: 2))
    #expect(other.isEmpty)
  }

  private func softmax(_ logits: [Float]) -> [(Int, Float)] {
    let top = logits.max() ?? 0
    let sum = logits.reduce(0) { $0 + exp($1 - top) }
    return logits.enumerated().map { ($0, exp($1 - top) / sum) }.sorted { $0.1 > $1.1 }
  }

  @Test(arguments: ["hydra", "hydra-prefix"])
  func `Hydra's heads follow the path that NumPy follows`(name: String) async throws {
    let expected = try Expected(name)
    let heads = try DraftHeads.load(path: Self.fixtures + "/heads/" + name, target: try Self.model())
    let (states, tokens) = (try expected.floats("states"), try expected.tokens("tokens"))
    let path = try expected.tokens("path")
    var hidden = states
    if let layer = heads.layer {
      let count = tokens.count - 1
      let plan = BlockPlan(
        tokens: Array(repeating: 0, count: count), positions: (0..<count).map { Int32($0) },
        writes: Array(repeating: .append, count: count),
        embeddings: .init(rows: Array(0..<count), vectors: states),
        outputs: OutputRequest(rows: .none, taps: [.final]))
      let result = BlockResultBuffer()
      try await layer.forward([SequencePass(plan: plan, cache: layer.makeCache())], into: result)
      hidden = try #require(result.hiddenStates(.final))
    }
    #expect(Self.difference(hidden, try expected.floats("hidden")) < 1e-5)
    let logits = try expected.floats("logits")
    var input = Array(hidden.suffix(32)) + heads.embedding(of: tokens[tokens.count - 1])
    for head in 0..<2 {
      let found = try await heads.outputs(of: head, input)
      #expect(Self.difference(found, logits[head * 288..<(head + 1) * 288]) < 1e-5)
      input += heads.embedding(of: path[head])
    }
    // The states come in pieces, as passes bring them.
    var source = try HydraSource(heads: heads, depth: 4, width: 1, contextLength: 64, minimum: 0)
    try await source.read(
      TokenStates(firstPosition: 0, count: 4, values: [.final: Array(states.prefix(4 * 32))]))
    try await source.read(
      TokenStates(firstPosition: 4, count: 2, values: [.final: Array(states.suffix(2 * 32))]))
    let tree = try await source.propose(DraftContext(tokens: tokens, maximumNodeCount: 8, maximumDepth: 8))
    #expect(tree.nodes.map(\.token) == path)
  }

  @Test func `a head of Hydra that only copies gives the model's own logits`() async throws {
    let model = try Self.model()
    let folder = try TemporaryFolder()
    try folder.write("config.json", #"{"hydra_num_layers": 1, "hydra_head_arch": "mlp"}"#)
    let table = try SafetensorsFile(path: Self.fixtures + "/models/llama/model.safetensors")
      .tensor(named: "lm_head.weight")
    var writer = SafetensorsWriter()
    var copy = [Float](repeating: 0, count: 32 * 64)
    for row in 0..<32 { copy[row * 64 + row] = 1 }
    try writer.append("hydra_mlp.0.0.res_connection.weight", shape: [32, 64], floats: copy)
    try writer.append(
      "hydra_mlp.0.0.linear.weight", shape: [32, 64], floats: Array(repeating: 0, count: 32 * 64))
    for part in ["res_connection", "linear"] {
      try writer.append("hydra_mlp.0.0.\(part).bias", shape: [32], floats: Array(repeating: 0, count: 32))
    }
    try writer.append(
      "hydra_lm_head.0.weight", type: table.type, shape: table.shape, bytes: Array(table.bytes))
    try writer.write(to: folder.path + "/hydra_lm_head.safetensors")
    let heads = try DraftHeads.load(path: folder.path, target: model)
    let result = BlockResultBuffer()
    let plan = BlockPlan(tokens: [5, 9, 70], at: 0, outputs: OutputRequest(rows: .all, taps: [.final]))
    try await model.forward([SequencePass(plan: plan, cache: model.makeCache())], into: result)
    let hidden = try #require(result.hiddenStates(.final))
    for row in 0..<3 {
      let found = try await heads.outputs(
        of: 0, Array(hidden[row * 32..<(row + 1) * 32]) + heads.embedding(of: 17))
      #expect(Self.difference(found, result.logits(output: row)) < 1e-5)
    }
  }

  @Test func `EAGLE-3's layer follows the path that NumPy follows`() async throws {
    let expected = try Expected("eagle")
    let heads = try DraftHeads.load(path: Self.fixtures + "/heads/eagle", target: try Self.model())
    let tokens = try expected.tokens("tokens")
    let states = try Self.eagleStates(expected)
    // The inputs of layers 0, 1 and 2 are the embedding and the outputs of layers 0 and 1.
    #expect(heads.taps == [.embedding, .layer(0), .layer(1)])
    var source = try EagleSource(heads: heads, depth: 4, width: 1, contextLength: 64, minimum: 0)
    for part in states { try await source.read(part) }
    let context = DraftContext(tokens: tokens, maximumNodeCount: 16, maximumDepth: 4)
    let tree = try await source.propose(context)
    let path = try expected.tokens("path")
    #expect(tree.nodes.map(\.token) == path)
    // And the probabilities are those of NumPy's logits.
    let logits = try expected.floats("logits")
    for (depth, node) in tree.nodes.enumerated() {
      let best = softmax(Array(logits[depth * 64..<(depth + 1) * 64]))[0].1
      #expect(abs(node.confidence - best) < 1e-5)
    }
    // Siblings do not see each other.
    var again = try EagleSource(heads: heads, depth: 4, width: 2, contextLength: 64, minimum: 0)
    for part in states { try await again.read(part) }
    try await again.start(tokens.dropLast())
    let wide = try await again.propose(context)
    let siblings = try expected.tokens("siblings")
    #expect(wide.children(of: -1).map { wide.nodes[$0].token } == siblings)
    let beside = try expected.floats("sibling_logits")
    for (number, node) in wide.children(of: -1).enumerated() {
      let best = softmax(Array(beside[number * 64..<(number + 1) * 64]))
      let children = wide.children(of: node).map { wide.nodes[$0].confidence }
      #expect(Self.difference(children, best.prefix(children.count).map(\.1)) < 1e-4)
      #expect(!children.isEmpty)
    }
  }

  static func eagleStates(_ expected: Expected) throws -> [TokenStates] {
    let states = try expected.floats("states")
    let count = states.count / 3 / 32
    // One pass of four tokens, then one of each.
    return [0..<4, 4..<5, 5..<6].map { range in
      TokenStates(
        firstPosition: range.lowerBound, count: range.count,
        values: Dictionary(
          uniqueKeysWithValues: [OutputRequest.Tap.embedding, .layer(0), .layer(1)].enumerated().map {
            tap, name in
            let first = tap * count * 32
            return (name, Array(states[first + range.lowerBound * 32..<first + range.upperBound * 32]))
          }))
    }
  }

  @Test func `heads that were not told of a cached prefix guess all the same`() async throws {
    let expected = try Expected("eagle")
    let heads = try DraftHeads.load(path: Self.fixtures + "/heads/eagle", target: try Self.model())
    let tokens = try expected.tokens("tokens")
    var source = try EagleSource(heads: heads, depth: 2, width: 2, contextLength: 64, minimum: 0)
    for part in try Self.eagleStates(expected).dropFirst() { try await source.read(part) }
    let tree = try await source.propose(DraftContext(tokens: tokens, maximumNodeCount: 8, maximumDepth: 2))
    #expect(tree.count > 1)
  }

  // MARK: States

  /// Remembers all states that it is told, and guesses what was given.
  struct Recorder: DraftSource {
    final class Memory: @unchecked Sendable {
      var states: [TokenStates] = []
    }
    let memory = Memory()
    var given: [TokenID]
    var wrongEvery = 3
    var wantedTaps: [OutputRequest.Tap] { [.final, .layer(0)] }
    mutating func read(_ states: TokenStates) async throws { memory.states.append(states) }
    mutating func propose(_ context: DraftContext) -> TokenTree {
      var tree = TokenTree()
      let next = given.dropFirst(context.tokens.count).prefix(4)
      var parent = -1
      for (number, token) in next.enumerated() {
        tree.insert(TokenID((token.index + 1) % 288), parent: parent, confidence: 0.3)
        if (context.round + number) % wrongEvery == 0 { break }
        parent = tree.insert(token, parent: parent, confidence: 0.9)
      }
      return tree
    }
  }

  @Test func `sources are told the state of every token of the text, in order, bit for bit`() async throws {
    let model = try Self.model()
    let prompt: [TokenID] = (0..<23).map { TokenID(($0 * 37 + 5) % 280) }
    let plain = AutoregressiveOptions(maximumTokenCount: 40, prefillRowCount: 7)
    let expected = try await Decoded.plain(model, prompt: prompt, plain)
    let recorder = Recorder(given: prompt + expected.tokens)
    let (found, statistics) = try await Decoded.speculative(
      model, prompt: prompt,
      SpeculativeOptions(plain: plain, sources: [("recorder", recorder)], shape: WholeShaper()))
    #expect(found == expected)
    #expect(statistics.forwardCount < expected.tokens.count)
    let states = recorder.memory.states
    var next = 0
    let result = BlockResultBuffer()
    let tokens = prompt + expected.tokens
    let plan = BlockPlan(
      tokens: tokens, at: 0, outputs: OutputRequest(rows: .none, taps: [.final, .layer(0)]))
    try await model.forward([SequencePass(plan: plan, cache: model.makeCache())], into: result)
    for part in states {
      #expect(part.firstPosition == next)
      for tap in [OutputRequest.Tap.final, .layer(0)] {
        let all = try #require(result.hiddenStates(tap))
        #expect(part.values[tap] == Array(all[next * 32..<(next + part.count) * 32]))
      }
      next += part.count
    }
    // Of the last pass nobody has to be told.
    #expect(next > prompt.count + expected.tokens.count - 8)
  }

  @Test(arguments: ["medusa", "hydra", "hydra-prefix", "eagle"], ["all", "best(7)", "cost(32,0.5)"])
  func `heads that guess at random change nothing`(name: String, shape: String) async throws {
    let model = try Self.model()
    let heads = try DraftHeads.load(path: "\(Self.fixtures)/heads/\(name)", target: model)
    let kind = name.split(separator: "-")[0]
    let recipe = try DraftRecipe("\(kind):x,shape=\(shape)")
    for (number, sampling) in SpeculativeIdentityTests.samplings.enumerated() {
      for prompt in [[TokenID(7)], (0..<30).map { TokenID(($0 * 91 + number) % 280) }] {
        var resources = DraftResources(
          traits: model.traits, vocabularyLimit: 288, contextLength: model.traits.contextLength)
        resources.heads = heads
        let plain = AutoregressiveOptions(maximumTokenCount: 24, stopTokens: [40], sampling: sampling)
        let expected = try await Decoded.plain(model, prompt: prompt, plain)
        let (found, statistics) = try await Decoded.speculative(
          model, prompt: prompt,
          SpeculativeOptions(
            plain: plain,
            sources: try [
              ("heads", recipe.sources[0].policy.makeSource(resources)),
              ("given", GivenSource(Array(expected.tokens.prefix(9)), guessCount: 3)),
            ],
            shape: recipe.shape, costCurve: flatCosts))
        #expect(found == expected, "sampling \(number)")
        if shape == "all", expected.tokens.count > 2 { #expect(statistics.drafts[0].draftedCount > 0) }
      }
    }
  }

  // MARK: What is refused

  @Test func `pickled heads are refused with the way to convert them`() throws {
    for name in ["medusa_lm_head.pt", "hydra_lm_head.pt", "pytorch_model.bin"] {
      let folder = try TemporaryFolder()
      try folder.write("config.json", "{}")
      try folder.write(name, "PK")
      let error = #expect(throws: ModelFileError.self) {
        try DraftHeads.load(path: folder.path, target: try Self.model())
      }
      #expect(error?.description.contains("convert_heads") == true)
    }
  }

  @Test func `damaged and foreign heads are refused with the name of what is wrong`() throws {
    let model = try Self.model()
    let source = try SafetensorsFile(path: Self.fixtures + "/heads/eagle/model.safetensors")
    let config = try String(contentsOfFile: Self.fixtures + "/heads/eagle/config.json", encoding: .utf8)
    /// The heads with some tensors changed.
    func load(
      config: String, without: Set<String> = [], d2t: [Int64]? = nil, type: TensorType = .i64
    ) throws -> DraftHeads {
      let folder = try TemporaryFolder()
      try folder.write("config.json", config)
      var writer = SafetensorsWriter()
      for name in source.names where !without.contains(name) {
        let view = try source.tensor(named: name)
        var bytes = Array(view.bytes)
        if name == "d2t", let d2t { bytes = d2t.withUnsafeBytes(Array.init) }
        try writer.append(name, type: view.type, shape: view.shape, bytes: bytes)
      }
      try writer.write(to: folder.path + "/model.safetensors")
      return try DraftHeads.load(path: folder.path, target: model)
    }
    #expect(try load(config: config).kind == .eagle)
    func message(_ body: () throws -> DraftHeads) -> String {
      do {
        _ = try body()
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(message { try load(config: config, without: ["d2t"]) }.contains("d2t"))
    #expect(message { try load(config: config, without: ["norm.weight"]) }.contains("norm.weight"))
    #expect(message { try load(config: config, d2t: Array(repeating: 400, count: 64)) }.contains("d2t"))
    #expect(message { try load(config: config, d2t: Array(repeating: .max, count: 64)) }.contains("d2t"))
    #expect(message { try load(config: config.replacing("2\n ]", with: "3\n ]")) }.contains("0…2"))
    #expect(message { try load(config: "[") }.contains("config.json"))
    #expect(
      message { try load(config: config.replacing("\"hidden_size\": 32", with: "\"hidden_size\": 64")) }
        .contains("64"))
    let cut = try TemporaryFolder()
    try cut.write("config.json", config)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: Self.fixtures + "/heads/eagle/model.safetensors"))
    try cut.write("model.safetensors", Array(bytes.prefix(4000)))
    #expect(message { try DraftHeads.load(path: cut.path, target: model) }.contains("model.safetensors"))
    let foreign = try TemporaryFolder()
    try foreign.write("config.json", "{}")
    var writer = SafetensorsWriter()
    try writer.append("layers.0.self_attn.q_proj.weight", shape: [1], floats: [1])
    try writer.write(to: foreign.path + "/model.safetensors")
    #expect(message { try DraftHeads.load(path: foreign.path, target: model) }.contains("midlayer"))
  }
}
