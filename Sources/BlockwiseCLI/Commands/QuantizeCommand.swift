public import ArgumentParser
import Blockwise
public import BlockwiseConversion
import Foundation

extension QuantizationFormat: ExpressibleByArgument {}
extension ConversionOptions.Container: ExpressibleByArgument {}

/// `blockwise quantize`
struct QuantizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Convert a model: other formats of weights, GGUF to Hugging Face and back.",
    discussion: """
      OUT is a GGUF file if its name ends with .gguf, otherwise a Hugging Face folder (safetensors; f32, f16, bf16). \
      Norms and biases stay f32 in GGUF, and so do the routers of experts. The head (the embedding where it is the \
      head as well) keeps more bits than the rest: q6_k beside the _k formats, q8_0 beside the other quantised ones; \
      --keep-output changes that. q4_k_m is q4_k with q6_k for a part of attn_v and ffn_down. Rows that are no whole \
      number of blocks fall back to another format, which is reported.

      The model is read and written piece by piece and appears at OUT whole or not at all.

      Examples:
        blockwise quantize ~/models/Qwen2.5-0.5B-Instruct qwen.gguf --format q8_0
        blockwise quantize model-f16.gguf model-q4.gguf --format q4_k_m --imatrix model.imatrix.gguf
        blockwise quantize model.gguf ./model-hf --format bf16
        blockwise quantize model.gguf out.gguf --format q4_0 --tensor-type attn_v=q8_0 --tensor-type blk.0.=f16
      """)

  @Argument(
    help: ArgumentHelp(
      "A Hugging Face folder, a GGUF file, or the name of a shipped model.", valueName: "in"),
    completion: .file())
  var input: String

  @Argument(help: ArgumentHelp("The file or folder to write.", valueName: "out"), completion: .file())
  var output: String

  @Option(name: [.short, .long], help: "How matrices are stored.")
  var format: QuantizationFormat

  @Option(name: .long, help: "What is written. (default: gguf if OUT ends with .gguf, else hf)")
  var to: ConversionOptions.Container?

  @Option(
    name: .long, help: ArgumentHelp("How the head is stored.", valueName: "format"))
  var keepOutput: QuantizationFormat?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How tensors are stored whose names contain a text; the first that fits decides. May be repeated.",
      valueName: "text=format"),
    transform: QuantizeCommand.override)
  var tensorType: [ConversionOptions.Override] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "An importance matrix (GGUF, or the older binary layout): which columns matter most.", valueName: "file"
    ),
    completion: .file())
  var imatrix: String?

  @Option(name: .long, parsing: .unconditional, help: "Threads. (default: one per core)")
  var threads: Int?

  @Flag(name: .long, help: "Replace what is at OUT.")
  var force = false

  @OptionGroup var report: OutputArguments

  func validate() throws {
    if output.isEmpty { throw ValidationError("the name of the file or folder to write is empty") }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is \(threads), expected 1 to 1024")
    }
    if container == .hf {
      guard format.isFloat else {
        throw ValidationError(
          "--format \(format.rawValue): \(output) is to be a Hugging Face folder, which holds f32, f16 or bf16; "
            + "for a GGUF file end the name with .gguf or add --to gguf")
      }
      guard keepOutput == nil, tensorType.isEmpty, imatrix == nil else {
        throw ValidationError("--keep-output, --tensor-type and --imatrix are for GGUF files")
      }
    }
  }

  private var container: ConversionOptions.Container {
    to ?? (output.lowercased().hasSuffix(".gguf") ? .gguf : .hf)
  }

  private static func override(_ text: String) throws -> ConversionOptions.Override {
    guard let equals = text.lastIndex(of: "="), equals != text.startIndex,
      let format = QuantizationFormat(argument: String(text[text.index(after: equals)...]))
    else {
      let names = QuantizationFormat.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)': expected part of a tensor's name, =, and one of \(names)")
    }
    return ConversionOptions.Override(pattern: String(text[..<equals]), type: format.matrixType)
  }

  func run() async throws {
    let source = try ModelSource(path: ModelName.locator.path(for: input))
    let options = ConversionOptions(
      format: format, container: container, headType: keepOutput?.matrixType, overrides: tensorType,
      importancePath: imatrix,
      replacesOutput: force, threadCount: threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount))
    let line = ProgressLine("Reading \(input)")
    let interrupt = Interrupt {}
    defer { line.end() }
    do {
      let result = try ModelConverter(source, options: options).convert(
        to: output,
        progress: { name, share in line.update("Writing \(name) \(Int(share * 100)) %") },
        isCancelled: { interrupt.isInterrupted })
      line.end()
      try print(result)
    } catch ConversionError.cancelled {
      throw CommandInterrupted()
    }
  }

  private func print(_ result: ConversionReport) throws {
    var types: [String: (tensors: Int, bytes: Int)] = [:]
    for tensor in result.tensors {
      let before = types[tensor.to.name] ?? (0, 0)
      types[tensor.to.name] = (before.tensors + 1, before.bytes + tensor.byteCountAfter)
    }
    let sorted = types.sorted { ($1.value.bytes, $0.key) < ($0.value.bytes, $1.key) }
    if report.json {
      try StandardStream.output.write(json: [
        "out": .string(result.output), "container": .string(container.rawValue),
        "format": .string(format.rawValue),
        "bytes_before": .integer(Int64(result.byteCountBefore)),
        "bytes_after": .integer(Int64(result.byteCountAfter)),
        "types": .array(
          sorted.map { name, sum in
            [
              "name": .string(name), "tensors": .integer(Int64(sum.tensors)),
              "bytes": .integer(Int64(sum.bytes)),
            ]
          }),
        "notes": .array(result.notes.map { .string($0) }),
        "tensors": .array(
          result.tensors.map { tensor in
            [
              "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
              "from": tensor.from.map { .string($0.name) } ?? .null, "to": .string(tensor.to.name),
              "bytes": .integer(Int64(tensor.byteCountAfter)),
            ]
          }),
      ])
      return
    }
    var lines = [
      "\(result.output): \(result.tensors.count) tensors, \(InspectReport.size(result.byteCountBefore)) → "
        + InspectReport.size(result.byteCountAfter)
    ]
    for (name, sum) in sorted {
      lines.append("  \(name): \(sum.tensors) tensors, \(InspectReport.size(sum.bytes))")
    }
    lines += result.notes.map { "note: \($0)" }
    try StandardStream.output.write(lines.joined(separator: "\n") + "\n")
  }
}
