import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct RearrangeTests {
  /// A map of some kind, for an output axis of some extent.
  private func map(_ kind: Int, _ extent: Int, _ numbers: inout Numbers) -> AxisMap? {
    switch kind {
    case 0: return nil
    // A part.
    case 1: return AxisMap((2..<extent + 2).map { $0 }, inputExtent: extent + 3)
    // Mirrored.
    case 2: return AxisMap((0..<extent).reversed().map { $0 }, inputExtent: extent)
    // Repeated.
    case 3: return AxisMap(Array(repeating: 1, count: extent), inputExtent: 2)
    // Zeros on both sides.
    case 4: return AxisMap((0..<extent).map { $0 < 2 || $0 >= extent - 1 ? nil : $0 - 2 }, inputExtent: extent)
    // Nearest neighbours.
    case 5: return AxisMap((0..<extent).map { $0 / 2 }, inputExtent: extent / 2 + 1)
    // Edges mirrored.
    case 6:
      let inner = max(extent - 2, 2)
      return AxisMap((0..<extent).map { min(($0 - 1).magnitude, UInt(inner - 1)) }.map(Int.init), inputExtent: inner)
    // Several with weights.
    case 7:
      var (starts, sources, weights): ([Int32], [Int32], [Double]) = ([0], [], [])
      for _ in 0..<extent {
        for _ in 0..<numbers.below(4) {
          sources.append(Int32(numbers.below(extent + 1)))
          weights.append(numbers.value())
        }
        starts.append(Int32(sources.count))
      }
      return AxisMap(starts: starts, sources: sources, weights: weights, inputExtent: extent + 1)
    // What the gradient of nearest neighbours is.
    default: return AxisMap((0..<extent * 2).map { $0 / 2 }, inputExtent: extent).transposed
    }
  }

  @Test(arguments: tunedSets)
  func `any order of axes, types and maps give what the reference gives`(set: InstructionSet) throws {
    var numbers = Numbers(1)
    for number in 0..<Thoroughness.count(2500) {
      let rank = numbers.below(5)
      let input = DType.allCases[numbers.below(4)]
      let output = numbers.below(2) == 0 ? input : DType.allCases[numbers.below(4)]
      var (extents, inputExtents): (Axes, Axes) = ([], [])
      var maps: [AxisMap?] = []
      let kinds = [1, 5, 9][number % 3]
      for _ in 0..<rank {
        let extent = [1, 2, 3, 8, 16, 17, 35, 70][numbers.below(rank > 3 ? 4 : rank > 2 ? 6 : 8)]
        let map = numbers.below(2) == 0 ? nil : map(numbers.below(kinds), extent, &numbers)
        extents.append(extent)
        inputExtents.append(map?.inputExtent ?? extent)
        maps.append(map)
      }
      func operand(_ extents: Axes, _ dtype: DType, shuffled: Bool) -> (Memory, View) {
        var strides = Axes(repeating: 0, count: rank)
        var step = 1
        for axis in shuffled ? (0..<rank).shuffled(using: &numbers) : (0..<rank).reversed() {
          strides[axis] = step
          step *= extents[axis]
        }
        let memory = Memory(dtype, numbers.values(step), offset: numbers.below(4))
        return (memory, View(memory.address, dtype, strides: strides))
      }
      let source = operand(inputExtents, input, shuffled: numbers.below(2) == 0)
      let target = operand(extents, output, shuffled: numbers.below(2) == 0)
      let expected = Memory(output, target.0.count)
      var call = RearrangeCall(extents: extents, input: source.1, output: target.1, maps: maps)
      try backend(set, threads: number % 3 + 1, streamed: number % 2 == 0 ? 0 : 1 << 30).run(call)
      call.output.address = expected.address
      ReferenceRearrange(call).run()
      let isMoved = maps.allSatisfy { $0?.isSelection ?? true }
      for index in 0..<expected.count {
        // Sums are of some terms of up to 4 times 4 to the power of the axes.
        let tolerance =
          isMoved
          ? 0
          : expected[index].magnitude * 2 * output.roundoff + 0x1p-22 * 4000 + output.leastNonzero
        if !agree(target.0[index], expected[index], within: tolerance) {
          Issue.record(
            "\(input) to \(output), \(Array(extents)), \(Array(source.1.strides)) to \(Array(target.1.strides)), \(maps.map { $0.map { "\($0.starts) \($0.sources)" } ?? "nil" }): [\(index)] is \(target.0[index]), not \(expected[index])"
          )
          return
        }
      }
      if !target.0.isMarginIntact { Issue.record("written beyond: \(Array(extents))") }
    }
  }
}
