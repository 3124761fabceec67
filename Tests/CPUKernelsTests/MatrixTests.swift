import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

@Suite struct MatrixTests {
  /// A matrix in the middle of others, its rows or its columns together, or neither.
  private struct Operand {
    let memory: Memory
    let view: MatrixView

    init(_ dtype: DType, batch: Int, rows: Int, columns: Int, order: Int, _ numbers: inout Numbers) {
      let (rowStride, columnStride, size) =
        switch order {
        case 0: (columns, 1, rows * columns)
        case 1: (1, rows, rows * columns)
        case 2: (columns + 3, 1, rows * (columns + 3))
        default: (2 * columns, 2, 2 * rows * columns)
        }
      memory = Memory(dtype, numbers.values(batch * size), offset: numbers.below(5))
      view = MatrixView(memory.address, dtype, batchStride: size, rowStride: rowStride, columnStride: columnStride)
    }
  }

  private func expectReference(
    _ set: InstructionSet, _ number: Int, batch: Int, rows: Int, columns: Int, inner: Int, _ numbers: inout Numbers
  ) throws {
    func type(_ number: Int) -> DType { DType.allCases[number] }
    let types = (0..<3).map { _ in numbers.below(2) == 0 ? DType.float32 : type(numbers.below(4)) }
    let first = Operand(types[0], batch: batch, rows: rows, columns: inner, order: numbers.below(4), &numbers)
    let second = Operand(types[1], batch: batch, rows: inner, columns: columns, order: numbers.below(4), &numbers)
    let target = Operand(types[2], batch: batch, rows: rows, columns: columns, order: numbers.below(4), &numbers)
    let expected = Memory(types[2], target.memory.values)
    let (alpha, beta) = [(1.0, 0.0), (-0.5, 1), (2, 0.25)][number % 3]
    // With beta 0, whatever is there.
    if beta == 0 { for index in 0..<target.memory.count { target.memory[index] = .nan } }
    var call = MatrixCall(
      batch: batch, rows: rows, columns: columns, inner: inner, alpha: alpha, beta: beta, first: first.view,
      second: second.view, target: target.view)
    var exact = call
    exact.target.address = expected.address
    ReferenceMatrix(exact).run()
    let old = target.memory.values
    var bits: [UInt8]?
    for threads in 1...3 {
      for (index, value) in old.enumerated() { target.memory[index] = value }
      call.target = target.view
      try backend(set, threads: threads).run(call)
      if let bits { #expect(bits == target.memory.bits) }
      bits = target.memory.bits
    }
    // Products are up to 16.
    let tolerance = 16 * Double(inner.magnitude + 1).squareRoot() * 4 * 0x1p-24 * 8
    for batch in 0..<batch {
      for row in 0..<rows {
        for column in 0..<columns {
          let index = batch * target.view.batchStride + row * target.view.rowStride + column * target.view.columnStride
          let (result, expected) = (target.memory[index], expected[index])
          if !agree(result, expected, within: tolerance + expected.magnitude * 2 * types[2].roundoff) {
            Issue.record(
              "\(batch) of (\(rows), \(inner)) (\(inner), \(columns)), \(types): \(result) is not \(expected)")
            return
          }
        }
      }
    }
    #expect(target.memory.isMarginIntact)
  }

  @Test(arguments: InstructionSet.available) func `products of all sizes, orders and types are the reference's`(
    set: InstructionSet
  ) throws {
    var numbers = Numbers(1)
    for number in 0..<Thoroughness.count(300) {
      try expectReference(
        set, number, batch: 1 + numbers.below(3), rows: 1 + numbers.below(40), columns: 1 + numbers.below(70),
        inner: numbers.below(70), &numbers)
    }
  }

  @Test(arguments: InstructionSet.available) func `products of several blocks and pieces are the reference's`(
    set: InstructionSet
  ) throws {
    var numbers = Numbers(2)
    for (number, size) in [(200, 270, 300), (391, 33, 513), (13, 530, 257), (9, 17, 9000), (64, 64, 4096)].enumerated()
    {
      try expectReference(
        set, number, batch: 1, rows: size.0, columns: size.1, inner: size.2, &numbers)
    }
  }

  @Test func `instruction sets with fused multiply-add give the same bits`() throws {
    var numbers = Numbers(3)
    let (rows, columns, inner) = (37, 70, 2500)
    let first = Operand(.float32, batch: 1, rows: rows, columns: inner, order: 0, &numbers)
    let second = Operand(.float32, batch: 1, rows: inner, columns: columns, order: 1, &numbers)
    let target = Operand(.float32, batch: 1, rows: rows, columns: columns, order: 0, &numbers)
    let call = MatrixCall(
      batch: 1, rows: rows, columns: columns, inner: inner, first: first.view, second: second.view,
      target: target.view)
    let results = try tunedSets.filter(\.hasFMA).map { set in
      try backend(set).run(call)
      return target.memory.bits
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }
}
