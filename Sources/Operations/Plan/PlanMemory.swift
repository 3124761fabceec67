import Tensors

/// Where the values of a graph are: memory that is given out again once nobody reads what is in it.
struct PlanMemory: Sendable {
  enum Place: Sendable, Equatable {
    /// In a piece of the workspace.
    case piece(Int)
    /// In a tensor of its own, which comes with each run and goes after its last use: the inputs, the output, and what a
    /// custom operation makes or sees, since it may keep it.
    case tensor
  }

  struct Piece: Sendable {
    var byteCount: Int
    let backend: any Backend
  }

  private(set) var places: [Place]
  private(set) var pieces: [Piece] = []
  /// For each step, whether its result takes an operand's memory.
  private(set) var isInPlace: [Bool] = []
  /// For each step, the values that it is the last to read.
  let lastReads: [[Int]]

  /// Values that take each other's place, and from which step to which there is one of them.
  private struct Chain {
    var piece: Piece
    var steps: ClosedRange<Int>
  }

  init(_ graph: PlanGraph) {
    lastReads = Self.lastReads(graph)
    places = Self.tensors(graph).map { $0 ? .tensor : .piece(-1) }
    let (chains, chainOfValue) = chain(graph)
    // The largest first, each where nothing else is at that time: so large pieces are not taken up by small values.
    let order = chains.indices.sorted {
      (chains[$1].piece.byteCount, $0) < (chains[$0].piece.byteCount, $1)
    }
    var tenants: [[Int]] = []
    var pieceOfChain = Array(repeating: 0, count: chains.count)
    for index in order {
      let chain = chains[index]
      let piece = tenants.lastIndex { others in
        chains[others[0]].piece.backend === chain.piece.backend
          && !others.contains { chains[$0].steps.overlaps(chain.steps) }
      }
      if let piece {
        tenants[piece].append(index)
      } else {
        tenants.append([index])
        pieces.append(chain.piece)
      }
      pieceOfChain[index] = piece ?? pieces.count - 1
    }
    for (value, chain) in chainOfValue { places[value] = .piece(pieceOfChain[chain]) }
  }

  /// Finds out which results take an operand's place.
  private mutating func chain(_ graph: PlanGraph) -> (chains: [Chain], ofValue: [Int: Int]) {
    var chains: [Chain] = []
    var ofValue: [Int: Int] = [:]
    for (index, step) in graph.steps.enumerated() {
      // Read here, so that nothing else can be there before the next step.
      for operand in step.operands {
        guard let operand, let chain = ofValue[operand.value] else { continue }
        chains[chain].steps = chains[chain].steps.lowerBound...index
      }
      guard places[step.result] != .tensor else {
        isInPlace.append(false)
        continue
      }
      let replaced = replaced(by: step, lastReads[index], graph.values).flatMap { ofValue[$0] }
      isInPlace.append(replaced != nil)
      if replaced == nil {
        let value = graph.values[step.result]
        chains.append(
          Chain(piece: Piece(byteCount: value.form.byteCount, backend: value.backend), steps: index...index))
      }
      ofValue[step.result] = replaced ?? chains.count - 1
    }
    return (chains, ofValue)
  }

  /// The operand that ends here and whose place the result can take.
  private func replaced(by step: PlanGraph.Step, _ ended: [Int], _ values: [PlanGraph.Value]) -> Int? {
    guard let operation = step.operation as? any WritingOperation, operation.runsInPlace else { return nil }
    let result = values[step.result]
    for case let operand? in step.operands
    where ended.contains(operand.value) && places[operand.value] != .tensor
      && values[operand.value].backend === result.backend
    {
      // Under another form, a value would be written where another one is yet to be read.
      if step.operands.allSatisfy({ $0?.value != operand.value || $0?.form == result.form }) { return operand.value }
    }
    return nil
  }

  /// Whether each value has a tensor of its own.
  private static func tensors(_ graph: PlanGraph) -> [Bool] {
    var result = graph.values.indices.map { $0 < graph.inputCount }
    result[graph.output.value] = true
    for step in graph.steps where !(step.operation is any WritingOperation) {
      result[step.result] = true
      for operand in step.operands { if let operand { result[operand.value] = true } }
    }
    return result
  }

  private static func lastReads(_ graph: PlanGraph) -> [[Int]] {
    var isRead = Array(repeating: false, count: graph.values.count)
    isRead[graph.output.value] = true
    var result: [[Int]] = []
    for step in graph.steps.reversed() {
      var last: [Int] = []
      for case let operand? in step.operands where !isRead[operand.value] {
        isRead[operand.value] = true
        last.append(operand.value)
      }
      result.append(last)
    }
    return result.reversed()
  }
}

extension TensorForm {
  /// Of a form that a tensor has had.
  var byteCount: Int { ((try? shape.byteCount(of: dtype)) ?? 0) }
}
