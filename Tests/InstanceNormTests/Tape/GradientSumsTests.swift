import InstanceNorm
import TestSupport
import Testing

/// What comes to a node by several ways.
@Suite struct GradientSumsTests {
  private let x = try! Tensor([1, 2, 3] as [Double])

  @Test func `parts of a gradient that are on two devices, or of two shapes, are not added`() throws {
    /// Its input, with a second part of the gradient that is not like the first.
    struct Odd: Operation {
      var input: Tensor
      let second: @Sendable (Tensor) throws -> Tensor

      func form() -> TensorForm { TensorForm(like: input) }
      mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
      mutating func run(into result: inout Tensor) throws { result = try 1 * input }
      func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
        try sums.add(gradient, to: input)
        try sums.add(second(gradient), to: input)
      }
    }
    let far = Device(FarBackend())
    #expect(throws: DeviceError.self) {
      try gradients(of: Odd(input: x) { try (2 * $0).to(far) }.result().square().sum(), by: x)
    }
    #expect(throws: TensorError.self) {
      try gradients(of: Odd(input: x) { try $0.sliced(along: 0, 0..<2) }.result().square().sum(), by: x)
    }
    #expect(try gradients(of: Odd(input: x) { try 2 * $0 }.result().square().sum(), by: x).doubles == [6, 12, 18])
  }

  @Test func `a part that depends on nothing is added to one that does, whichever comes first`() throws {
    let functions: [(Tensor) throws -> Tensor] = [{ try $0.square() + 3 * $0 }, { try 3 * $0 + $0.square() }]
    for function in functions {
      #expect(try gradients(of: function(x).sum(), by: x).doubles == [5, 7, 9])
      let second = try gradients(of: gradients(of: function(x).sum(), by: x).square().sum(), by: x)
      #expect(try second.doubles == [20, 28, 36])
    }
  }
}
