import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct BinaryTests {
  static let functions: [BinaryFunction] = [
    .add, .subtract, .multiply, .divide, .maximum, .minimum, .gate(slope: 0), .gate(slope: 0.25),
  ]
  static let narrow: [DType] = [.float32, .float16, .bfloat16]

  @Test(arguments: tunedSets, narrow)
  func `every function of every length, either operand one value or many, is the reference's`(
    set: InstructionSet, dtype: DType
  ) throws {
    let backend = try backend(set)
    var numbers = Numbers(1)
    for function in Self.functions {
      for count in Thoroughness.lengths {
        for (first, second) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
          var a = numbers.values(count + 1)
          a[0] = count % 3 == 0 ? .nan : 1
          var b = numbers.values(count + 1)
          b[count] = .nan
          let (left, right) = (Memory(dtype, a, offset: 1), Memory(dtype, b, offset: count % 4))
          let output = Memory(dtype, count, offset: count % 5)
          let expected = Memory(dtype, count)
          func call(_ output: Memory) -> BinaryCall {
            BinaryCall(
              function, extents: [count], first: View(left.address, dtype, strides: [first]),
              second: View(right.address, dtype, strides: [second]), output: View(output.address, dtype, strides: [1]))
          }
          try backend.run(call(output))
          ReferenceBinary(call(expected)).run()
          check(output, expected, "\(function), \(count) values, strides \(first) and \(second)")
        }
      }
    }
  }

  /// Rounding to float32 first may change a tie.
  private func check(_ output: Memory, _ expected: Memory, _ what: @autoclosure () -> String) {
    for index in 0..<output.count {
      let tolerance = expected[index].magnitude * 2 * output.dtype.roundoff + output.dtype.leastNonzero
      if !agree(output[index], expected[index], within: output.dtype == .float32 ? 0 : tolerance) {
        Issue.record("\(what()): [\(index)] is \(output[index]), not \(expected[index])")
        return
      }
    }
    if !output.isMarginIntact { Issue.record("\(what()): written beyond") }
  }

  @Test(arguments: tunedSets)
  func `operands of any order of axes, repeated along any of them, are the reference's`(set: InstructionSet) throws {
    var numbers = Numbers(2)
    for number in 0..<Thoroughness.count(1500) {
      let rank = numbers.below(5)
      let dtype = DType.allCases[numbers.below(4)]
      var extents: Axes = []
      for _ in 0..<rank { extents.append([1, 2, 3, 5, 16, 17, 33][numbers.below(rank > 3 ? 4 : 7)]) }
      func operand(canRepeat: Bool) -> (Memory, View) {
        // Dense in a random order of axes, some left out.
        var strides = Axes(repeating: 0, count: rank)
        var step = 1
        for axis in (0..<rank).shuffled(using: &numbers) where !canRepeat || numbers.below(3) > 0 {
          strides[axis] = step
          step *= extents[axis]
        }
        let memory = Memory(dtype, numbers.values(step), offset: numbers.below(4))
        return (memory, View(memory.address, dtype, strides: strides))
      }
      let function = Self.functions[numbers.below(8)]
      let (first, second) = (operand(canRepeat: true), operand(canRepeat: true))
      var output = operand(canRepeat: false)
      if numbers.below(3) > 0 { output.1.strides = extents.contiguousStrides }
      let expected = Memory(dtype, output.0.count)
      var call = BinaryCall(function, extents: extents, first: first.1, second: second.1, output: output.1)
      try backend(set, threads: number % 3 + 1, streamed: number % 2 == 0 ? 0 : 1 << 30).run(call)
      call.output.address = expected.address
      ReferenceBinary(call).run()
      check(
        output.0, expected,
        "\(function), \(dtype), \(Array(extents)), \(Array(first.1.strides)), \(Array(second.1.strides))")
    }
  }

  @Test(
    arguments: tunedSets, [[2, 3, 35_001], [2, 12_000, 3], [2, 2100, 17], [40_000, 2], [300, 300], [1, 70_001]])
  func `large ones have the same bits on any number of threads, past the caches or not`(
    set: InstructionSet, extents: [Int]
  ) throws {
    var numbers = Numbers(3)
    let extents = Axes(extents)
    let first = Memory(.float32, numbers.values(extents.product), offset: 1)
    for repeated in 0..<(Thoroughness.isFull ? extents.count * 2 : 2) {
      // Along one axis alone, or along all but one.
      var strides = Axes(repeating: 0, count: extents.count)
      var step = 1
      for axis in extents.indices.reversed() where (axis == repeated / 2) == (repeated % 2 == 0) {
        strides[axis] = step
        step *= extents[axis]
      }
      let second = Memory(.float32, numbers.values(step))
      let (output, expected) = (Memory(.float32, first.count, offset: 2), Memory(.float32, first.count))
      func call(_ output: Memory, flipped: Bool) -> BinaryCall {
        let views = (
          View(first.address, .float32, strides: extents.contiguousStrides),
          View(second.address, .float32, strides: strides)
        )
        return BinaryCall(
          .subtract, extents: extents, first: flipped ? views.1 : views.0, second: flipped ? views.0 : views.1,
          output: View(output.address, .float32, strides: extents.contiguousStrides))
      }
      for flipped in [false, true] {
        ReferenceBinary(call(expected, flipped: flipped)).run()
        for threads in 1...3 {
          try backend(set, threads: threads, streamed: threads == 2 ? 0 : 1 << 30).run(call(output, flipped: flipped))
          #expect(output.hasBits(of: expected) && output.isMarginIntact)
        }
      }
    }
  }
}
