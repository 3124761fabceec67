import Operations
import Tensors

/// A computation drawn from a seed: the same operations each time it is called, on whatever inputs.
struct RandomGraph {
  let seed: UInt64
  let form: TensorForm
  let length: Int

  func callAsFunction(_ inputs: [Tensor]) throws -> Tensor {
    var generator = SeededGenerator(seed: seed)
    var made = inputs
    for _ in 0..<length {
      // Mostly what was made last, so that there are chains.
      let back = generator.below(10) < 7 ? 0 : generator.below(made.count)
      made.append(try next(made[made.count - 1 - back], made, &generator))
    }
    return made[made.count - 1]
  }

  private func next(_ x: Tensor, _ made: [Tensor], _ generator: inout SeededGenerator) throws -> Tensor {
    let (isPicture, isSmall) = (x.shape.rank == 4, x.count < 3000)
    switch generator.below(20) {
    case 0, 1: return try x.relu()
    case 2: return try x.leakyReLU(slope: 0.2)
    case 3:
      switch generator.below(7) {
      case 0: return try x.tanh()
      case 1: return try x.sigmoid()
      case 2: return try x.gelu()
      case 3: return try x.clamped(to: -1...0.5)
      case 4: return try x.absolute()
      case 5: return try 0.5 * x - 1
      default: return try -x
      }
    case 4, 5, 6: return try x + alike(x, made, &generator)
    case 7: return try alike(x, made, &generator) * x
    case 8: return try alike(x, made, &generator).maximum(x)
    case 9 where isPicture:
      let (images, maps) = (x.shape[0], x.shape[1])
      let shapes: [Shape] = [[], [maps], [images, maps], [1, maps, 1, 1], Shape(x.shape.dropFirst())]
      let factor = try normal(shapes[generator.below(shapes.count)], x.dtype, seed: generator.next() >> 1)
      return try generator.below(2) == 0 ? x * factor : factor - x
    case 10...13 where isPicture: return try normalize(x, made, &generator)
    case 14 where isPicture:
      let axes = [[2, 3], [1], [0], [0, 2, 3]][generator.below(4)]
      if generator.below(2) == 0 { return try x - x.mean(over: axes, keepingAxes: true) }
      return try x - x.max(over: axes, keepingAxes: true)
    case 15 where isPicture && isSmall && min(x.shape[2], x.shape[3]) > 1:
      return try generator.below(2) == 0 ? x.padded(1, mode: .reflect) : x.padded(along: 1, before: 1, after: 0)
    case 16 where isPicture:
      if isSmall { return try x.upsampled(by: 2, mode: generator.below(2) == 0 ? .nearest : .bilinear()) }
      return try x.resized(to: [3, 4], mode: .bilinear(alignCorners: true))
    case 17 where isPicture:
      if isSmall { return try .concatenated([x, alike(x, made, &generator), x], along: 1) }
      return try x.sliced(along: 1, 0..<1)
    case 18 where isPicture:
      // Through another shape, of the same memory where that can be.
      let flat = try x.to(.nchw).reshaped(to: [x.shape[0], x.shape[1], x.shape[2] * x.shape[3]])
      switch generator.below(3) {
      case 0: return try flat.relu().reshaped(to: x.shape).to(x.layout)
      case 1:
        let products = try flat.matmul(flat.transposed()) * 0.01
        return try flat.transposed().matmul(products).transposed().reshaped(to: x.shape).to(x.layout)
      default: return try x * x.gramMatrix().mean()
      }
    default: return try x.to(x.layout == .nchw && isPicture ? .nhwc : .nchw)
    }
  }

  /// A tensor of the same form: one that was made before, or a constant.
  private func alike(_ x: Tensor, _ made: [Tensor], _ generator: inout SeededGenerator) throws -> Tensor {
    let found = made.filter { $0.shape == x.shape && $0.dtype == x.dtype && $0.layout == x.layout }
    let choice = generator.below(found.count + 1)
    return choice < found.count ? found[choice] : try normal(x.shape, x.dtype, x.layout, seed: generator.next() >> 1)
  }

  private func normalize(_ x: Tensor, _ made: [Tensor], _ generator: inout SeededGenerator) throws -> Tensor {
    let sharing: MomentSharing = [.instance, .instance, .layer, .batch, .group(1)][generator.below(5)]
    let maps = x.shape[1]
    let dtype = x.dtype.parameterDType
    let shapes: [Shape] = [[maps], [x.shape[0], maps], Shape(x.shape.dropFirst())]
    let shape = shapes[min(generator.below(8), 2)]
    let hasParameters = generator.below(2) == 0
    let activation: Activation = [.none, .none, .relu, .leakyReLU(slope: 0.1)][generator.below(4)]
    let residual = generator.below(4) == 0 ? try alike(x, made, &generator) : nil
    let y = try Normalize(
      x, scale: hasParameters ? normal(shape, dtype, seed: generator.next() >> 1) : nil,
      bias: hasParameters ? normal(shape, dtype, seed: generator.next() >> 1) : nil, residual: residual,
      .init(sharing, activation: activation, place: generator.below(2) == 0 ? .beforeActivation : .afterActivation)
    ).result()
    switch generator.below(4) {
    case 0: return try y.relu()
    case 1: return try alike(x, made, &generator) + y.relu()
    case 2: return try (y + alike(x, made, &generator)).leakyReLU()
    default: return y
    }
  }
}

extension SeededGenerator {
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}
