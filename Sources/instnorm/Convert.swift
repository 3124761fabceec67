import ArgumentParser
import ArrayFiles
import InstanceNorm
import Text

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a .safetensors file of a network's weights, as PyTorch saves them (.pth, .pt, .bin) or of another.",
    discussion: """
      Nothing in a .pth file is run: it may hold tensors, dictionaries, lists, numbers and text, and is refused if it \
      names anything else. Of a checkpoint the weights are taken, and the names of what is passed over are said.
      """)

  @Argument(help: "A file that torch.save wrote, or a .safetensors file.")
  var input: String

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The file to write.", valueName: "weights.safetensors"))
  var output: String

  @Flag(help: "Write float32 tensors of two axes and more, which convolutions and matrices are, as float16.")
  var half = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The dictionary of a checkpoint to take, by the keys that lead to it. (default: the one that is named as weights \
      usually are, or has tensors alone)
      """, valueName: "model.state_dict"))
  var part: String?

  func validate() throws {
    guard output.lowercased().hasSuffix(".safetensors") else {
      throw ValidationError("--output: expected a name that ends in .safetensors; got '\(output)'")
    }
  }

  func run() throws {
    try AtomicFile.check(output)
    let file = try StateDict(contentsOf: input, part: part)
    var passedOver: [String] = []
    if case .pyTorch(let file) = file.source {
      passedOver = file.passedOver.map { "\(quoted($0.key)) (\($0.value))" }
    }

    var tensors: [String: Tensor] = [:]
    var wholeNumbers: Set<String> = []
    var kinds: [String: Int] = [:]
    for (name, entry) in file.entries {
      let tensor: Tensor
      do {
        tensor = try read(name, entry, in: file)
      } catch FileError.unsupported(_, let reason) {
        passedOver.append(reason)
        continue
      }
      if entry.isOfWholeNumbers { wholeNumbers.insert(name) }
      tensors[name] = tensor
      kinds[entry.isOfWholeNumbers ? "int64" : "\(tensor.dtype)", default: 0] += 1
    }
    guard !tensors.isEmpty else {
      throw FileError.unsupported(path: input, reason: "it has no tensor that can be read")
    }
    try SafetensorsFile.write(
      tensors, wholeNumbers: wholeNumbers, metadata: file.metadata.merging(["format": "pt"]) { old, _ in old },
      to: output)

    if case .pyTorch(let file) = file.source {
      if !file.part.isEmpty { try say("taken: \(quoted(file.part))") }
      if file.isParallel { try say("names: without the 'module.' that each begins with") }
    }
    for text in passedOver.sorted().prefix(Self.mostLines) { try say("passed over: \(text)") }
    if passedOver.count > Self.mostLines { try say("passed over: \(passedOver.count - Self.mostLines) more") }
    let types = kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    let values = tensors.values.reduce(0) { $0 + $1.count }
    try say("\(output.shown): \(counted(tensors.count, "tensor")) (\(types)), \(counted(values, "value"))")
  }

  private static let mostLines = 20

  private func read(_ name: String, _ entry: StateDict.Entry, in file: StateDict) throws -> Tensor {
    let tensor = try file.tensor(named: name)
    guard half, tensor.dtype == .float32, tensor.shape.rank >= 2 else { return tensor }
    let short = try tensor.to(.float16)
    for (value, converted) in try zip(tensor.array(of: Float.self), short.array(of: Float.self))
    where value.isFinite && !converted.isFinite {
      throw TooLarge(description: "\(input.shown): \(quoted(name)) has \(value), which is more than float16 holds")
    }
    return short
  }

  private struct TooLarge: Error, CustomStringConvertible {
    let description: String
  }
}
