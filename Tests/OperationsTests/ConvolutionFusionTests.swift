import Operations
import Tensors
import Testing

/// Plans of convolutions and what stands between them.
@Suite struct ConvolutionFusionTests {
  private let form = TensorForm([2, 16, 11, 14], .float32, .nhwc)

  private func weights(_ outputs: Int, _ inputs: Int, _ size: Int = 3, seed: UInt64 = 9) throws -> Tensor {
    try normal([outputs, inputs, size, size], deviation: 0.2, seed: seed)
  }

  /// The plan, once it is known to give what the same in float64, operation by operation, gives.
  private func plan(
    _ form: TensorForm? = nil, precision: Precision = .float32, scale: Double = 1, _ body: (Tensor) throws -> Tensor
  ) throws -> Plan {
    let form = form ?? self.form
    let plan = try Plan(for: [form], precision: precision) { try body($0[0]) }
    let input = try normal(form.shape, form.dtype, form.layout, deviation: scale, seed: 5)
    let expected = try body(input).to(.float64)
    let range = try expected.absolute().max().array(of: Double.self)[0] + 1e-30
    // Twice, the second time on memory that is there.
    for _ in 0..<2 {
      let difference = try (plan(input).to(.float64) - expected).absolute().max().array(of: Double.self)[0]
      #expect(difference <= 1e-5 * range, "\(plan)")
    }
    return plan
  }

  @Test(arguments: Precision.allCases)
  func `what stands between two convolutions is done while they read and write`(_ precision: Precision) throws {
    let (first, second) = (try weights(32, 16), try weights(16, 32))
    for mode in PaddingMode.allCases {
      let plan = try plan(precision: precision) { x in
        let y = try normalized(x.padded(1, mode: mode).convolved(with: first)).leakyReLU(slope: 0.2)
        return try y.upsampled(by: 2).padded(1, mode: mode).convolved(with: second)
      }
      #expect(plan.stepCount == 2)
      #expect(plan.fusedCount == 5)
    }
  }

  @Test func `statistics are exact where the first guess at a mean is far off`() throws {
    // The guess is made of 16 pixels of a band, evenly apart: all of them are in these columns, and no other is like them.
    let width = 16_384
    let values = (0..<4 * width).flatMap { pixel in
      Array(repeating: pixel % (width / 16) == 0 ? Float(0) : 999.7, count: 16)
    }
    let input = try Tensor(values, shape: [1, 4, width, 16]).permuted(to: [0, 3, 1, 2]).to(.nhwc)
    let identity = try Tensor((0..<256).map { $0 % 17 == 0 ? Float(1) : 0 }, shape: [16, 16, 1, 1])
    let plan = try Plan(for: [TensorForm([1, 16, 4, width], .float32, .nhwc)]) {
      try normalized($0[0].convolved(with: identity)).convolved(with: identity)
    }
    #expect(plan.stepCount == 2)
    let expected = try normalized(input.to(.float64))
    let range = try expected.absolute().max().array(of: Double.self)[0]
    let difference = try (plan(input).to(.float64) - expected).absolute().max().array(of: Double.self)[0]
    #expect(difference <= 1e-5 * range)
  }

  @Test func `a residual block is three steps and a sum`() throws {
    let (first, second) = (try weights(16, 16), try weights(16, 16, seed: 10))
    let bias = try normal([16], seed: 3)
    let plan = try plan { x in
      let inner = try normalized(x.convolved(with: first, bias: bias, padding: 1)).relu()
      let r = try normalized(inner.convolved(with: second, padding: 1)) + x
      return try r.padded(1, mode: .replicate).convolved(with: first) + r
    }
    // Two convolutions, a normalisation that adds, a convolution, a sum.
    #expect(plan.stepCount == 5)
  }

  @Test func `activations right after and before a convolution go into it`() throws {
    let w = try weights(24, 16, 5)
    #expect(try plan { try $0.relu().convolved(with: w, padding: 2).leakyReLU(slope: 0.1) }.stepCount == 1)
    #expect(try plan { try $0.leakyReLU(slope: 0.1).convolved(with: w, stride: 2).relu() }.stepCount == 1)
    // Others stay what they are.
    #expect(try plan { try $0.tanh().convolved(with: w).sigmoid() }.stepCount == 3)
  }

  @Test func `every kind of convolution and layout gives what it gives alone`() throws {
    let (whole, grouped, few) = (try weights(32, 16), try weights(32, 4), try weights(3, 32, 5))
    for layout in [Layout.nchw, .nhwc] {
      let form = TensorForm([1, 16, 17, 13], .float32, layout)
      _ = try plan(form) { x in
        let a = try normalized(x.convolved(with: whole, stride: 2, padding: 1), .group(4)).relu()
        let b = try normalized(x.convolved(with: grouped, padding: 2, dilation: 2, groups: 4)).relu()
        return try b.convolved(with: few, padding: 2).sum() + normalized(a).convolved(with: few)
      }
    }
  }

  @Test func `what others read too stays`() throws {
    let w = try weights(16, 16)
    let plan = try plan { x in
      let y = try normalized(x.convolved(with: w, padding: 1)).relu()
      let padded = try y.padded(1)
      return try padded.convolved(with: w) + y + padded.convolved(with: w, dilation: 1)
    }
    // The padding is read by two convolutions.
    #expect("\(plan)".contains("Rearrange"))
  }

  @Test func `weights that the plan computes are those of each run`() throws {
    let w = try weights(16, 16)
    let plan = try Plan(for: [form, TensorForm(w.shape, .float32)]) { try $0[0].convolved(with: $0[1] * 2, padding: 1) }
    let x = try normal(form.shape, .float32, .nhwc, seed: 1)
    for factor in [1.0, -3] {
      let other = try w * factor
      #expect(try bits(plan(x, other)) == bits(x.convolved(with: other * 2, padding: 1)))
    }
  }

  @Test func `values near the ends of float32's range are normalised as exactly as apart`() throws {
    let (first, second) = (try weights(16, 16), try weights(16, 16, seed: 10))
    for scale in [1e-30, 1e25] {
      _ = try plan(scale: scale) { x in
        try normalized(x.convolved(with: first, padding: 1)).relu().convolved(with: second, padding: 1)
      }
    }
  }

  @Test func `the bits are the same on any number of threads and in any batch`() throws {
    let (first, second) = (try weights(32, 16), try weights(3, 32, 5))
    func body(_ x: [Tensor]) throws -> Tensor {
      let y = try normalized(x[0].padded(1, mode: .reflect).convolved(with: first)).relu()
      return try y.padded(2, mode: .reflect).convolved(with: second)
    }
    let shape: Shape = [3, 16, 37, 41]
    let x = try normal(shape, .float32, .nhwc, seed: 8)
    var expected: [UInt64]?
    for threads in [1, 2, 3, 7] {
      let device = Device(try CPUBackend(threads: threads))
      let result = try Plan(for: [TensorForm(shape, .float32, .nhwc)], on: device, body)(x.to(device))
      if let expected { #expect(try bits(result.to(.cpu)) == expected) }
      expected = try bits(result.to(.cpu))
      let single = try Plan(for: [TensorForm([1, 16, 37, 41], .float32, .nhwc)], on: device, body)
      let picture = try single(x.sliced(along: 0, 1..<2).to(device)).to(.cpu)
      #expect(try bits(picture) == bits(result.sliced(along: 0, 1..<2).to(.cpu)))
    }
  }
}
