import Blockwise
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Multimodal checkpoints: the text model's configuration is nested, and its tensors have longer names.
@Suite struct TextPartTests {
  static let tokens: [TokenID] = [1, 5, 9, 200, 3, 17]

  static func logits(_ path: String) async throws -> (model: DecoderModel, values: [Float]) {
    let model = try DecoderModel.load(
      ModelSource(path: path), options: ModelLoadOptions(compute: .f32, threadCount: 1))
    let result = BlockResultBuffer()
    let plan = BlockPlan(tokens: tokens, at: 0, outputs: OutputRequest(rows: .all))
    try await model.forward([SequencePass(plan: plan, cache: try model.makeCache())], into: result)
    return (model, tokens.indices.flatMap { result.logits(output: $0) })
  }

  /// Puts a language model's folder into the shape of a multimodal one.
  static func wrap(_ copy: BadCheckpointTests.Copy, architecture: String, rename: (String) -> String) throws {
    try copy.edit("config.json") { config in
      var inner = config
      inner["architectures"] = nil
      inner["tie_word_embeddings"] = nil
      var outer = JSONObject()
      outer["architectures"] = [.string(architecture)]
      outer["model_type"] = "seeing"
      outer["tie_word_embeddings"] = config["tie_word_embeddings"]
      outer["text_config"] = .object(inner)
      outer["vision_config"] = ["hidden_size": 7]
      config = outer
    }
    let path = "\(copy.path)/model.safetensors"
    let file = try SafetensorsFile(path: path)
    var writer = SafetensorsWriter()
    for name in file.names {
      let view = try file.tensor(named: name)
      try writer.append(rename(name), type: view.type, shape: view.shape, bytes: Array(view.bytes))
    }
    try writer.append("vision_tower.patch_embed.weight", shape: [2, 2], floats: [1, 2, 3, 4])
    try writer.write(to: path)
  }

  @Test(arguments: [
    ("language_model.model.", "language_model.lm_head.weight"), ("model.language_model.", "lm_head.weight"),
  ])
  func `the text part of a multimodal checkpoint gives the logits of the language model`(
    _ prefix: String, _ head: String
  ) async throws {
    let copy = try BadCheckpointTests.Copy("llama")
    let expected = try await Self.logits(copy.path).values
    try Self.wrap(copy, architecture: "SeeingForConditionalGeneration") { name in
      name == "lm_head.weight" ? head : prefix + name.dropFirst("model.".count)
    }
    let (model, found) = try await Self.logits(copy.path)
    #expect(found == expected)
    #expect(model.traits.multimodalArchitecture == "SeeingForConditionalGeneration")
    #expect(model.traits.family == "llama")
  }

  @Test func `a multimodal checkpoint whose text part is unknown is refused with both names`() async throws {
    let copy = try BadCheckpointTests.Copy("llama")
    try Self.wrap(copy, architecture: "SeeingForConditionalGeneration") { $0 }
    try copy.edit("config.json") { config in
      guard case .object(var inner) = config["text_config"] else { return }
      inner["model_type"] = "poetry"
      config["text_config"] = .object(inner)
    }
    let message = await BadCheckpointTests.refusal(copy.path)
    for word in ["SeeingForConditionalGeneration", "poetry", "config.json"] {
      #expect(message.contains(word), "\(message)")
    }
  }

  @Test func `keys that are missing have the values that transformers gives them`() async throws {
    let copy = try BadCheckpointTests.Copy("mistral")
    try copy.edit("config.json") { config in
      config["sliding_window"] = nil
      config["max_position_embeddings"] = nil
    }
    let configuration = try DecoderModel.inspect(ModelSource(path: copy.path)).configuration
    #expect(configuration.windows.allSatisfy { $0 == 4096 })
    #expect(configuration.contextLength == 131_072)
    try copy.edit("config.json") { $0["sliding_window"] = .null }
    let without = try DecoderModel.inspect(ModelSource(path: copy.path)).configuration
    #expect(without.windows.allSatisfy { $0 == nil })
  }

  @Test func `the sampling that a checkpoint recommends counts only with do_sample`() async throws {
    let copy = try BadCheckpointTests.Copy("qwen3")
    let options = ModelLoadOptions(compute: .f32, threadCount: 1)
    let values: JSONValue = [
      "do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05,
      "eos_token_id": [2, 5],
    ]
    _ = try copy.folder.write("generation_config.json", values.text(.compact))
    let sampled = try await LanguageModel.load(copy.path, options: options)
    let recommended = sampled.recommendedSampling
    #expect(recommended.temperature == 0.7 && recommended.topP == 0.8 && recommended.topK == 20)
    #expect(recommended.repetitionPenalty == 1.05 && recommended.penaltyWindow == nil)
    #expect(sampled.endTokens.isSuperset(of: [2, 5]))

    guard case .object(var object) = values else { return }
    object["do_sample"] = false
    object["repetition_penalty"] = nil
    _ = try copy.folder.write("generation_config.json", JSONValue.object(object).text(.compact))
    #expect(try await LanguageModel.load(copy.path, options: options).recommendedSampling.isGreedy)
  }
}
