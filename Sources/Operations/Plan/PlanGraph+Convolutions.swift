import CPUKernels
import Calls
import Tensors

// What stands between two convolutions goes into the walks over memory that these make anyway: statistics of a result
// are taken while it is written; normalisation, activation, upsampling and padding are done while it is read.

extension PlanGraph {
  mutating func fuseConvolutions(isExact: Bool) {
    guard steps.contains(where: { $0.operation is Convolution }) else { return }
    var fusion = ConvolutionFusion(values: values, steps: steps)
    fusion.adoptConvolutions(output, isExact: isExact)
    fusion.takeStatistics()
    fusion.readThrough()
    values = fusion.values
    replace(steps: fusion.steps)
  }
}

private struct ConvolutionFusion {
  private(set) var values: [PlanGraph.Value]
  private(set) var steps: [PlanGraph.Step]
  /// How many operands and results each value is.
  private var uses: [Int]
  private var output = -1

  init(values: [PlanGraph.Value], steps: [PlanGraph.Step]) {
    self.values = values
    self.steps = steps
    uses = Array(repeating: 0, count: values.count)
    for step in steps { for operand in step.operands { if let operand { uses[operand.value] += 1 } } }
  }

  /// The step that makes a value, which nobody reads except one operand, under its own form.
  private func maker(of operand: PlanGraph.Operand?) -> Int? {
    guard let operand, uses[operand.value] == 1, operand.value != output, operand.form == values[operand.value].form
    else { return nil }
    return steps.firstIndex { $0.result == operand.value }
  }

  private func onlyReader(of value: Int) -> Int? {
    guard uses[value] == 1, value != output else { return nil }
    return steps.firstIndex { $0.reads(value) }
  }

  /// Makes forward convolutions on the processor what others can be fused with.
  mutating func adoptConvolutions(_ output: PlanGraph.Operand, isExact: Bool) {
    self.output = output.value
    for index in steps.indices {
      guard let convolution = steps[index].operation as? Convolution, convolution.direction == .forward,
        let cpu = values[steps[index].result].backend as? CPUBackend,
        cpu.fusesConvolutions(of: convolution.first.dtype), convolution.geometry.images > 0
      else { continue }
      let g = convolution.geometry
      let height = (g.outputHeight - 1) * g.strideRows + (g.kernelHeight - 1) * g.dilationRows + 1
      let width = (g.outputWidth - 1) * g.strideColumns + (g.kernelWidth - 1) * g.dilationColumns + 1
      func places(_ count: Int, before: Int, extent: Int) -> [Int32] {
        (0..<count).map { (before..<before + extent).contains($0) ? Int32($0 - before) : -1 }
      }
      var geometry = g
      (geometry.inputHeight, geometry.inputWidth, geometry.top, geometry.left) = (height, width, 0, 0)
      let isConstant = steps[index].operands.dropFirst().allSatisfy { $0 == nil }
      var fused = FusedConvolution(
        input: convolution.first, weights: convolution.second, bias: convolution.bias, geometry: geometry,
        rows: places(height, before: g.top, extent: g.inputHeight),
        columns: places(width, before: g.left, extent: g.inputWidth), isExact: isExact,
        packed: isConstant ? ConvolutionWeights() : nil)
      // An activation right behind it.
      if let reader = onlyReader(of: steps[index].result),
        let pointwise = steps[reader].operation as? Pointwise, case .activation(let activation) = pointwise.function,
        steps[reader].operands[0]?.form == values[steps[index].result].form
      {
        fused.resultActivation = activation
        steps[index].fused.append("\(pointwise.function)")
        uses[steps[index].result] = 0
        steps[index].result = steps[reader].result
        steps[reader].operands = []
        steps[reader].result = -1
      }
      steps[index].operation = fused
    }
    steps.removeAll { $0.result < 0 }
  }

  /// Has convolutions leave the statistics that a normalisation right behind them wants.
  mutating func takeStatistics() {
    var index = 0
    while index < steps.count {
      defer { index += 1 }
      guard var fused = steps[index].operation as? FusedConvolution, fused.resultActivation == .none,
        let reader = onlyReader(of: steps[index].result),
        let normalize = steps[reader].operation as? Normalize, normalize.attributes.sharing == .instance,
        steps[reader].operands[0]?.value == steps[index].result
      else { continue }
      let form = values[steps[index].result].form
      guard form.layout == .nhwc, form.dtype == .float32, steps[reader].operands[0]?.form == form else { continue }
      let backend = values[steps[index].result].backend
      let room = TensorForm([form.shape[0], form.shape[1]], .float64)
      guard let standIn = try? Tensor(in: Storage(byteCount: 0, on: backend), room.shape, room.dtype, room.layout)
      else { continue }
      let operands = (0..<2).map { _ in
        values.append(PlanGraph.Value(form: room, backend: backend))
        uses.append(2)
        return PlanGraph.Operand(value: values.count - 1, form: room)
      }
      fused.statistics = .init(mean: standIn, invStd: standIn, epsilon: normalize.attributes.epsilon)
      steps[index].operation = fused
      steps[index].operands += operands
      var plain = normalize
      plain.statistics = nil
      steps[reader].operation = NormalizeByStatistics(normalize: plain, mean: standIn, invStd: standIn)
      steps[reader].operands += operands
      steps.insert(contentsOf: operands.map { PlanGraph.Step(Room(room: room), [], result: $0.value) }, at: index)
      index += 2
    }
  }

  /// Has convolutions do, as they read, what made what they read.
  mutating func readThrough() {
    for index in steps.indices {
      guard var fused = steps[index].operation as? FusedConvolution else { continue }
      var step = steps[index]
      while let place = maker(of: step.operands[0]) {
        let made = steps[place]
        if let rearrange = made.operation as? Rearrange, let maps = rearrange.pictureSelections {
          fused.rows = fused.rows.map { $0 < 0 ? -1 : maps.rows?[Int($0)] ?? $0 }
          fused.columns = fused.columns.map { $0 < 0 ? -1 : maps.columns?[Int($0)] ?? $0 }
          fused.input = rearrange.input
          step.operands[0] = made.operands[0]
          step.fused.append("rearrange")
        } else if let normalized = made.operation as? NormalizeByStatistics, normalized.normalize.residual == nil,
          values[made.result].form.dtype == .float32, !normalized.isByElement
        {
          fused.normalization = normalized
          fused.activation = normalized.normalize.attributes.activation
          fused.input = normalized.normalize.input
          // In the order of the operation's operands: the input's place, weights and bias, then these.
          let own = fused.bias == nil ? 2 : 3
          step.operands[0] = made.operands[0]
          step.operands.insert(contentsOf: made.operands.dropFirst(), at: own)
          step.fused += ["normalize"] + made.fused
        } else if let pointwise = made.operation as? Pointwise, case .activation(let activation) = pointwise.function,
          values[made.result].form.dtype == .float32
        {
          fused.activation = activation
          fused.input = pointwise.input
          step.operands[0] = made.operands[0]
          step.fused.append("\(pointwise.function)")
        } else {
          break
        }
        uses[made.result] = 0
        steps[place].result = -1
        if fused.normalization != nil || fused.activation != .none { break }
      }
      step.operation = fused
      steps[index] = step
    }
    steps.removeAll { $0.result < 0 }
  }
}

extension NormalizeByStatistics {
  fileprivate var isByElement: Bool {
    [normalize.scale, normalize.bias].contains { ($0?.shape.rank ?? 1) > 2 }
  }
}

extension Rearrange {
  /// Where rows and columns of a picture come from, if that is all there is to it; nil for those that stay.
  fileprivate var pictureSelections: (rows: [Int32]?, columns: [Int32]?)? {
    guard input.shape.rank == 4, axes == [0, 1, 2, 3], dtype == input.dtype, layout == input.layout,
      maps[0] == nil, maps[1] == nil, maps[2]?.isSelection ?? true, maps[3]?.isSelection ?? true
    else { return nil }
    return (maps[2]?.selection, maps[3]?.selection)
  }
}

extension AxisMap {
  /// The one source of each place; -1 for none.
  fileprivate var selection: [Int32] {
    (0..<extent).map { starts[$0] == starts[$0 + 1] ? -1 : sources[Int(starts[$0])] }
  }
}
