import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct ReductionTests {
  static let functions: [ReductionFunction] = [.sum, .mean, .max]

  private func expectReference(
    _ set: InstructionSet, _ function: ReductionFunction, _ dtype: DType, _ order: [Int], kept: Axes, reduced: Axes,
    to output: DType, _ numbers: inout Numbers
  ) throws {
    let extents = Array(kept) + Array(reduced)
    var strides = Axes(repeating: 0, count: extents.count)
    var step = 1
    for axis in order.reversed() {
      strides[axis] = step
      step *= extents[axis]
    }
    let input = Memory(dtype, numbers.values(step), offset: numbers.below(5))
    if numbers.below(4) == 0, step > 0 { input[numbers.below(step)] = .nan }
    let results = kept.product
    let (target, expected) = (Memory(output, results, offset: numbers.below(5)), Memory(output, results))
    var call = ReductionCall(
      function, kept: kept, reduced: reduced, input: View(input.address, dtype, strides: strides),
      output: View(expected.address, output, strides: kept.contiguousStrides))
    ReferenceReduction(call).run()
    call.output.address = target.address
    var bits: [UInt8]?
    for threads in 1...3 {
      try backend(set, threads: threads).run(call)
      #expect(bits == nil || bits == target.bits)
      bits = target.bits
    }
    for index in 0..<results {
      // Sums of up to 4 each, taken in float64 in another order.
      let tolerance =
        function == .max
        ? 0 : Double(reduced.product) * 4 * 0x1p-50 + expected[index].magnitude * 2 * output.roundoff
      if !agree(target[index], expected[index], within: tolerance) {
        Issue.record(
          "\(function), \(dtype), kept \(Array(kept)), reduced \(Array(reduced)), order \(order): [\(index)] is \(target[index]), not \(expected[index])"
        )
        return
      }
    }
    #expect(target.isMarginIntact)
  }

  @Test(arguments: tunedSets) func `any axes in any order of memory are reduced as the reference reduces them`(
    set: InstructionSet
  ) throws {
    var numbers = Numbers(1)
    for number in 0..<Thoroughness.count(600) {
      func axes(_ most: Int) -> Axes {
        Axes((0..<numbers.below(most)).map { _ in [1, 2, 3, 7, 16, 19, 40, 70][numbers.below(most > 3 ? 5 : 8)] })
      }
      let most = number % 2 + 3
      let (kept, reduced) = (axes(most), axes(most))
      let order = (0..<kept.count + reduced.count).shuffled(using: &numbers)
      let dtype = DType.allCases[numbers.below(4)]
      try expectReference(
        set, Self.functions[number % 3], dtype, order, kept: kept, reduced: reduced,
        to: numbers.below(2) == 0 ? .float64 : dtype, &numbers)
    }
  }

  @Test(arguments: tunedSets) func `long rows, tall columns and pictures have the same bits on any number of threads`(
    set: InstructionSet
  ) throws {
    var numbers = Numbers(2)
    let cases: [(kept: Axes, reduced: Axes, order: [Int])] = [
      ([], [200_003], [0]), ([3], [70_000], [0, 1]), ([33], [9001], [1, 0]), ([6000], [70], [1, 0]),
      // Of pictures, (N, C) and (H, W); C and (N, H, W): one layout and the other.
      ([2, 5], [100, 130], [0, 1, 2, 3]), ([2, 20], [100, 60], [0, 2, 3, 1]), ([5], [3, 60, 130], [1, 0, 2, 3]),
      ([20], [3, 60, 70], [1, 2, 3, 0]), ([3], [400, 130], [1, 2, 0]), ([50_000], [3], [0, 1]),
    ]
    for (number, one) in cases.enumerated() where Thoroughness.isFull || number < 2 {
      for function in Self.functions {
        try expectReference(
          set, function, number % 4 == 3 ? .float16 : .float32, one.order, kept: one.kept, reduced: one.reduced,
          to: .float32, &numbers)
      }
    }
  }

  @Test(arguments: tunedSets) func `a sum does not leave float32's range on its way, and nothing has its neutral value`(
    set: InstructionSet
  ) throws {
    let values = Array(repeating: 3e38, count: 100)
    let (input, output) = (Memory(.float32, values), Memory(.float32, 1))
    func result(_ function: ReductionFunction, _ count: Int) throws -> Double {
      try backend(set).run(
        ReductionCall(
          function, kept: [], reduced: [count], input: View(input.address, .float32, strides: [1]),
          output: View(output.address, .float32, strides: [])))
      return output[0]
    }
    #expect(try result(.mean, values.count) == values[0].rounded(to: .float32))
    #expect(try result(.sum, 0) == 0)
    #expect(try result(.mean, 0).isNaN)
    #expect(try result(.max, 0) == -.infinity)
  }
}

extension Double {
  fileprivate func rounded(to dtype: DType) -> Double { Memory(dtype, [self])[0] }
}
