import ArgumentParser
import Generators
import Text

struct Summary: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a network is made of: layers, shapes, parameters, multiply-adds and memory.",
    discussion: "Counted for one square picture. A row is a layer that was called; what follows in its pass has none.")

  @Argument(help: "The network's weights: a .safetensors file, or what torch.save wrote.")
  var model: String

  @Option(
    help: ArgumentHelp(
      "Which network the model is of. (default: as its names and shapes tell)", valueName: "name"))
  var architecture: Architecture?

  @Option(parsing: .unconditional, help: ArgumentHelp("The picture's height and width in pixels.", valueName: "n"))
  var size = 256

  func validate() throws {
    guard (1...16_384).contains(size) else { throw ValidationError("--size: expected 1 to 16384; got \(size)") }
  }

  func run() throws {
    let network = try Architecture.load(contentsOf: model, as: architecture)
    let shape = Shape([1, network.inMaps, size, size])
    if let network = network as? AdaINNet { try network.setStyle(.zeros(shape)) }
    let plan = try network.plan(for: shape)
    // In training each layer keeps what it was given and gave.
    network.trainMode()
    let result = try network(.zeros(shape))

    var rows: [[String]] = []
    var multiplyAdds = 0
    func visit(_ module: Module, _ path: String) {
      for (name, child) in module.namedChildren { visit(child, path.isEmpty ? name : "\(path).\(name)") }
      guard module.children.isEmpty, let input = module.inData?.shape, let output = module.data?.shape else { return }
      let work = module.multiplyAdds(from: input, to: output)
      multiplyAdds += work
      rows.append([
        path, module.kind, "\(output)", module.numOfParams > 0 ? "\(module.numOfParams)" : "",
        work > 0 ? Self.millions(work) : "",
      ])
    }
    visit(network, "")
    let header = ["layer", "what", "result", "parameters", "million multiply-adds"]
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }

    try say("\(model.shown): \(network.described)")
    for note in network.notes { try say(oneLine(note)) }
    for row in [header] + rows {
      let cells = zip(row, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column < 3 ? cell.0 + space : space + cell.0
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      try say(line)
    }
    try say(
      "result \(result.shape); \(network.numOfParams) parameters, \(Self.millions(multiplyAdds)) million multiply-adds")
    try say(
      "memory: parameters \(Self.mebibytes(network.paramSize())), between layers "
        + "\(Self.mebibytes(Double(plan.workspaceByteCount)))")
  }

  private static func millions(_ count: Int) -> String { twoDecimals(Double(count) / 1e6) }
  private static func mebibytes(_ bytes: Double) -> String { "\(twoDecimals(bytes / 1_048_576)) MiB" }
}

extension Module {
  /// What the layer is, in a table.
  fileprivate var kind: String {
    switch self {
    case let layer as Deconv2D: "transposed \(layer.size.text), \(layer.inMaps) to \(layer.outMaps)\(layer.strideText)"
    case let layer as Conv2D: "\(layer.size.text), \(layer.inMaps) to \(layer.outMaps)\(layer.strideText)"
    case let layer as Normalization where layer.activation != .none: "\(className), \(layer.activation)"
    default: className
    }
  }

  /// Of one picture: a weight is used once at each place of the smaller side.
  fileprivate func multiplyAdds(from input: Shape, to output: Shape) -> Int {
    switch self {
    case let layer as Deconv2D: layer.weight.data.count * input[2] * input[3]
    case let layer as Conv2D: layer.weight.data.count * output[2] * output[3]
    default: 0
    }
  }
}

extension ConvolutionModule {
  fileprivate var strideText: String { stride == 1 ? "" : ", stride \(stride)" }
}

extension RowsAndColumns {
  fileprivate var text: String { "\(rows)x\(columns)" }
}
