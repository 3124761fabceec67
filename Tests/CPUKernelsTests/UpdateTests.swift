import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct UpdateTests {
  static let narrow: [DType] = [.float32, .float16, .bfloat16]

  @Test(arguments: tunedSets, narrow) func `combining has plain Swift's bits`(set: InstructionSet, dtype: DType) throws
  {
    var numbers = Numbers(1)
    for count in [0, 1, 5, 16, 17, 70, 5001] + (Thoroughness.isFull ? [40_001] : []) {
      for (alpha, beta) in [(0.3, 0.0), (-1, 1), (0.1, 0.9), (1, 0.999)] {
        let x = Memory(dtype, numbers.values(count), offset: 1)
        let old = numbers.values(count)
        func run(_ set: InstructionSet, threads: Int) throws -> [UInt8] {
          let target = Memory(dtype, beta == 0 ? old.map { _ in .nan } : old, offset: 3)
          try backend(set, threads: threads).run(
            CombineCall(dtype, count: count, alpha: alpha, x: x.address, beta: beta, target: target.address))
          #expect(target.isMarginIntact)
          return target.bits
        }
        let expected = try run(.plain, threads: 1)
        let (alone, shared) = (try run(set, threads: 1), try run(set, threads: 3))
        #expect(alone == expected)
        #expect(shared == expected)
      }
    }
  }

  @Test(arguments: tunedSets, narrow) func `a step of Adam has plain Swift's bits`(
    set: InstructionSet, dtype: DType
  ) throws {
    var numbers = Numbers(2)
    let step = AdamStep(learnRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, number: 3)
    for count in [1, 15, 33, 5001] {
      let values = (0..<4).map { _ in numbers.values(count) }
      func run(_ set: InstructionSet) throws -> [[UInt8]] {
        let memory = values.enumerated().map { Memory(dtype, $0 == 3 ? $1.map(\.magnitude) : $1, offset: $0) }
        try backend(set).run(
          AdamCall(
            step, dtype, count: count, gradient: memory[0].address, parameter: memory[1].address,
            firstMoment: memory[2].address, secondMoment: memory[3].address))
        for one in memory { #expect(one.isMarginIntact) }
        return memory.map(\.bits)
      }
      let expected = try run(.plain)
      let result = try run(set)
      #expect(result == expected)
    }
  }

  /// Ties of float16 and bfloat16 that float32 cannot see.
  @Test(arguments: tunedSets, [DType.float16, .bfloat16]) func `results are rounded once`(
    set: InstructionSet, dtype: DType
  ) throws {
    let step = dtype.roundoff
    // 1 + step is a tie; a hair above it is not, but is one for who rounds to float32 first.
    for (hair, expected) in [(0.0, 1.0), (0x1p-40, 1 + 2 * step), (-0x1p-40, 1)] {
      let x = Memory(dtype, Array(repeating: 1, count: 20))
      let target = Memory(dtype, 20)
      try backend(set).run(
        CombineCall(dtype, count: 20, alpha: 1 + step + hair, x: x.address, beta: 0, target: target.address))
      #expect(target.values == Array(repeating: expected, count: 20))
    }
  }
}
