import Calls
import Tensors

extension Plan {
  /// How many steps there are.
  public var stepCount: Int { graph?.steps.count { !($0.operation is Room) } ?? 0 }

  /// How many operations others have taken up.
  ///
  /// On the processor, a convolution of float32 takes up what makes its operand, if nobody else reads that: padding,
  /// nearest upsampling and other selections of rows and columns, an activation, and instance normalisation of a
  /// convolution's result; and an activation of its own result. A normalisation takes up ReLU and leaky ReLU after it, and
  /// sums of its result with a tensor of the same form. For float16 and bfloat16 that is ReLU alone, and on GPUs nothing, since what is rounded in between
  /// has other bits.
  public var fusedCount: Int { graph?.steps.reduce(0) { $0 + $1.fused.count } ?? 0 }

  /// Bytes that a run keeps for the next one: what is between the inputs and the result, at the worst moment. Memory that
  /// custom operations take is not in it, nor that of the result and of constants.
  public var workspaceByteCount: Int {
    let pieces = memory?.pieces.reduce(0) { $0 + $1.byteCount } ?? 0
    return pieces + (graph?.steps.reduce(0) { $0 + $1.statisticsByteCount } ?? 0)
  }
}

extension PlanGraph.Step {
  /// Two float64 values a plane, where planes share their moments.
  fileprivate var statisticsByteCount: Int {
    guard let normalize = operation as? Normalize, normalize.attributes.sharing != nil, normalize.needsStatistics else {
      return 0
    }
    return Planes(normalize.input).count * 16
  }
}

extension Plan: CustomStringConvertible {
  /// The steps, a line each: what becomes of which values, of what form, in which piece of memory.
  public var description: String {
    var lines = ["plan on \(device): \(inputs.map(\.description).joined(separator: ", ")) -> \(output)"]
    guard let graph, let memory else { return lines[0] + "\n  a constant" }
    var rows: [[String]] = []
    for (step, isInPlace) in zip(graph.steps, memory.isInPlace) where !(step.operation is Room) {
      let operands = step.operands.map { $0.map { "%\($0.value)" } ?? "constant" }
      let place =
        switch memory.places[step.result] {
        case .piece(let piece): "piece \(piece)\(isInPlace ? ", in place" : "")"
        case .tensor: step.result == graph.output.value ? "result" : "tensor"
        }
      rows.append([
        "%\(step.result)", ([step.name] + step.fused).joined(separator: " + "), operands.joined(separator: ", "),
        "\(graph.values[step.result].form)", place,
      ])
    }
    let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      var line = "  " + cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      lines.append(line)
    }
    lines.append(
      "  \(stepCount) steps, \(fusedCount) operations fused, \(graph.unusedCount) unused; "
        + "workspace \(workspaceByteCount) bytes, \(memory.pieces.count) pieces")
    return lines.joined(separator: "\n")
  }
}

extension PlanGraph.Step {
  fileprivate var name: String {
    switch operation {
    case let pointwise as Pointwise: "\(pointwise.function)"
    case let binary as Binary: "\(binary.function)"
    case let reduction as Reduction: "\(reduction.function)"
    case is FusedConvolution: "Convolution"
    case is NormalizeByStatistics: "Normalize"
    default: "\(type(of: operation))"
    }
  }
}
